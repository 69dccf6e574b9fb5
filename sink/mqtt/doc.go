// Package mqtt publishes streams to an MQTT broker, with MQTT 5 or 3.1.1.
//
//	package main
//
//	import (
//		"context"
//		"log"
//		"os"
//		"os/signal"
//
//		"github.com/weirstreams/weir/codec"
//		"github.com/weirstreams/weir/kafka"
//		"github.com/weirstreams/weir/runtime"
//		"github.com/weirstreams/weir/secret"
//		"github.com/weirstreams/weir/sink/mqtt"
//		"github.com/weirstreams/weir/stream"
//	)
//
//	type Setpoint struct {
//		Celsius float64 `json:"celsius"`
//	}
//
//	func main() {
//		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
//		defer stop()
//		t := stream.NewTopology()
//		setpoints := stream.NewTopic("setpoints", codec.String(), codec.JSON[Setpoint]())
//		t.From(setpoints).Sink("devices", mqtt.New(mqtt.Options[string, Setpoint]{
//			URL: secret.New(os.Getenv("MQTT_URL")), Prefix: "setpoints/", Retain: true,
//			Will: &mqtt.Will{Topic: "status/setpoints", Payload: []byte("away"), Retain: true},
//		}))
//		app, err := runtime.New(t, runtime.Config{
//			Group: "setpoints-to-mqtt", Connection: kafka.Connection{Brokers: []string{"localhost:9092"}},
//		})
//		if err != nil {
//			log.Fatal(err)
//		}
//		if err := app.Run(ctx); err != nil {
//			log.Fatal(err)
//		}
//	}
//
// Messages are acknowledged by the broker before the offsets of their records are committed, so delivery is at least once. Messages of one task stay in
// order, also when a connection breaks: everything from the first unacknowledged message on is published again. See docs/connectors/mqtt.md.
package mqtt
