// Command segment reports with Segment's client for Go.
package main

import (
	"os"
	"sync"
	"time"

	"github.com/segmentio/analytics-go/v3"

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
	client, err := analytics.NewWithConfig(key, analytics.Config{Endpoint: server, Callback: ended, BatchSize: 50, Interval: pace})
	client.Enqueue(analytics.Track{UserId: "u-17", Event: "order_paid", Properties: analytics.NewProperties().Set("amount", 19.9)})
	// end
	plan.Check(err)
	for _, event := range told.Events {
		plan.Check(client.Enqueue(message(event)))
	}
	ended.Wait()
	plan.Check(client.Close())
}

func message(e plan.Event) analytics.Message {
	properties, traits := analytics.Properties(e.Properties), analytics.Traits(e.Properties)
	switch e.Call {
	case "track":
		return analytics.Track{UserId: e.User, AnonymousId: e.Device, Timestamp: e.Time(), Event: e.Name, Properties: properties}
	case "page":
		return analytics.Page{UserId: e.User, AnonymousId: e.Device, Timestamp: e.Time(), Name: e.Name, Properties: properties}
	case "screen":
		return analytics.Screen{UserId: e.User, AnonymousId: e.Device, Timestamp: e.Time(), Name: e.Name, Properties: properties}
	case "identify":
		return analytics.Identify{UserId: e.User, AnonymousId: e.Device, Timestamp: e.Time(), Traits: traits}
	case "group":
		return analytics.Group{UserId: e.User, AnonymousId: e.Device, Timestamp: e.Time(), GroupId: e.Name, Traits: traits}
	case "alias":
		return analytics.Alias{UserId: e.User, PreviousId: e.Device, Timestamp: e.Time()}
	}
	panic(e.Call)
}

type ended struct{ *sync.WaitGroup }

func (e ended) Success(analytics.Message) { e.Done() }

func (e ended) Failure(_ analytics.Message, err error) {
	os.Stderr.WriteString(err.Error() + "\n")
	e.Done()
}
