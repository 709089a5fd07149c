// Command posthog reports with PostHog's client for Go.
package main

import (
	"os"
	"sync"
	"time"

	"github.com/posthog/posthog-go"

	"suanpan/clients/plan"
)

// Its own default gathers for 5 s.
const pace = 200 * time.Millisecond

func main() {
	told := plan.Read()
	server, key := told.Server, told.Key
	// Closing gives up what waits to be sent again, so that has to be awaited.
	ended := ended{new(sync.WaitGroup)}
	ended.Add(1 + len(told.Events))
	// quick start
	client, err := posthog.NewWithConfig(key, posthog.Config{Endpoint: server, Callback: ended, BatchSize: 50, Interval: pace})
	client.Enqueue(posthog.Capture{DistinctId: "u-17", Event: "order_paid", Properties: posthog.NewProperties().Set("amount", 19.9)})
	// end
	plan.Check(err)
	for _, event := range told.Events {
		plan.Check(client.Enqueue(message(event)))
	}
	ended.Wait()
	plan.Check(client.Close())
}

func message(e plan.Event) posthog.Message {
	properties, person := posthog.Properties(e.Properties), e.User
	if person == "" {
		person = e.Device
	}
	switch e.Call {
	case "track":
		return posthog.Capture{DistinctId: person, Timestamp: e.Time(), Event: e.Name, Properties: properties}
	case "page":
		return posthog.Capture{DistinctId: person, Timestamp: e.Time(), Event: "$pageview", Properties: properties.Set("name", e.Name)}
	case "screen":
		return posthog.Capture{DistinctId: person, Timestamp: e.Time(), Event: "$screen", Properties: properties.Set("name", e.Name)}
	case "identify":
		return posthog.Identify{DistinctId: person, Timestamp: e.Time(), Properties: properties}
	case "group":
		return posthog.GroupIdentify{Type: "company", Key: e.Name, DistinctId: person, Timestamp: e.Time(), Properties: properties}
	case "alias":
		return posthog.Alias{DistinctId: person, Alias: e.Device, Timestamp: e.Time()}
	}
	panic(e.Call)
}

type ended struct{ *sync.WaitGroup }

func (e ended) Success(posthog.APIMessage) { e.Done() }

func (e ended) Failure(_ posthog.APIMessage, err error) {
	os.Stderr.WriteString(err.Error() + "\n")
	e.Done()
}
