package mqtt_test

import (
	"fmt"
	"os"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink/mqtt"
	"github.com/weirstreams/weir/stream"
)

type setpoint struct {
	Room    string  `json:"room"`
	Celsius float64 `json:"celsius"`
}

// Setpoints for devices, with the last one of each room for devices that come later.
func Example() {
	setpoints := stream.NewTopic("setpoints", codec.String(), codec.JSON[setpoint]())
	t := stream.NewTopology()
	t.From(setpoints).Sink("devices", mqtt.New(mqtt.Options[string, setpoint]{
		URL: secret.New(os.Getenv("MQTT_URL")),
		Topic: func(r *weir.Record[string, setpoint]) (string, error) {
			return "rooms/" + r.Value.Room + "/setpoint", nil
		},
		Retain: true,
		Properties: func(r *weir.Record[string, setpoint]) (mqtt.Properties, error) {
			return mqtt.Properties{ContentType: "application/json", User: []mqtt.Property{{Name: "room", Value: r.Value.Room}}}, nil
		},
		Will: &mqtt.Will{Topic: "status/setpoints", Payload: []byte("away"), Retain: true},
	}))
	fmt.Println(t.Validate())
	// Output: <nil>
}
