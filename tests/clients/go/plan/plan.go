// Package plan is what every driver is told: see ../../README.md.
package plan

import (
	"encoding/json"
	"os"
	"time"
)

// Plan is what to report, and where.
type Plan struct {
	Server string
	Key    string
	Events []Event
}

// Event is one call on the client.
type Event struct {
	Call       string
	Name       string
	User       string
	Device     string
	TimeMs     int64 `json:"time_ms"`
	Properties map[string]any
}

// Time is when it happened.
func (e Event) Time() time.Time {
	return time.UnixMilli(e.TimeMs).UTC()
}

// Read gives the plan in the file that the driver was called with.
func Read() Plan {
	file, err := os.Open(os.Args[1])
	if err != nil {
		panic(err)
	}
	var plan Plan
	decoder := json.NewDecoder(file)
	// Else integers beyond 2^53 would be rounded.
	decoder.UseNumber()
	if err := decoder.Decode(&plan); err != nil {
		panic(err)
	}
	for _, event := range plan.Events {
		if when, ok := event.Properties["when"].(string); ok {
			event.Properties["when"], _ = time.Parse(time.RFC3339Nano, when)
		}
	}
	return plan
}

// Check ends the driver if the client refuses a call.
func Check(err error) {
	if err != nil {
		panic(err)
	}
}
