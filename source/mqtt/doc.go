// Package mqtt is a source of the messages of an MQTT broker, with MQTT 5 or 3.1.1.
//
//	package main
//
//	import (
//		"context"
//		"log"
//		"os"
//		"os/signal"
//
//		"github.com/weirstreams/weir/kafka"
//		"github.com/weirstreams/weir/row"
//		"github.com/weirstreams/weir/runtime"
//		"github.com/weirstreams/weir/secret"
//		"github.com/weirstreams/weir/source/mqtt"
//		"github.com/weirstreams/weir/stream"
//	)
//
//	func main() {
//		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
//		defer stop()
//		t := stream.NewTopology()
//		t.AddSource(mqtt.New(mqtt.Options[string, row.Row]{
//			URL: secret.New(os.Getenv("MQTT_URL")), ClientID: "plant-7", Topics: []string{"sensors/#"}, Share: "weir", Readers: 4,
//		}), stream.SourceTopic[string, row.Row]("sensors"))
//		app, err := runtime.New(t, runtime.Config{
//			Group: "sensors", Connection: kafka.Connection{Brokers: []string{"localhost:9092"}},
//		})
//		if err != nil {
//			log.Fatal(err)
//		}
//		if err := app.Run(ctx); err != nil {
//			log.Fatal(err)
//		}
//	}
//
// A message is acknowledged when the checkpoint of its record has committed, and not when it has come. So the broker keeps it until then, and nothing is lost
// in a crash; some messages may come again. See docs/connectors/mqtt.md.
package mqtt
