package mqtt_test

import (
	"fmt"
	"os"
	"strings"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/source/mqtt"
	"github.com/weirstreams/weir/stream"
)

// Four readers share the messages of all sensors. The key is the last level of the topic.
func Example() {
	t := stream.NewTopology()
	t.AddSource(mqtt.New(mqtt.Options[string, row.Row]{
		URL: secret.New(os.Getenv("MQTT_URL")), ClientID: "plant-7", Topics: []string{"sensors/#"}, Share: "weir", Readers: 4,
		Record: func(m mqtt.Message) (r weir.Record[string, row.Row], err error) {
			r.Key = m.Topic[strings.LastIndex(m.Topic, "/")+1:]
			r.Value, err = row.JSON().Decode(nil, m.Payload)
			return r, err
		},
	}), stream.SourceTopic[string, row.Row]("sensors"))
	fmt.Println(t.Validate())
	// Output: <nil>
}
