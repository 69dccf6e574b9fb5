// Package influxdb1 writes streams to InfluxDB 1 as points, by the line protocol over HTTP.
//
// A complete program that writes measurements of sensors, with the sensor as a tag:
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
//		"github.com/weirstreams/weir/sink/influxdb1"
//		"github.com/weirstreams/weir/stream"
//	)
//
//	type Reading struct {
//		Sensor   string  `json:"sensor"`
//		Degrees  float64 `json:"degrees"`
//		Messages int     `json:"messages"`
//	}
//
//	func main() {
//		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
//		defer stop()
//		t := stream.NewTopology()
//		readings := stream.NewTopic("readings", codec.String(), codec.JSON[Reading]())
//		t.From(readings).Sink("influx", influxdb1.New("https://influx.example.com:8086", influxdb1.Options[string, Reading]{
//			Database:    "plant",
//			Measurement: "readings",
//			Tags:        []string{"sensor"},
//			Auth:        influxdb1.Basic("writer", secret.New(os.Getenv("INFLUX_PASSWORD"))),
//		}))
//		app, err := runtime.New(t, runtime.Config{
//			Group: "readings-to-influx", Connection: kafka.Connection{Brokers: []string{"localhost:9092"}},
//		})
//		if err != nil {
//			log.Fatal(err)
//		}
//		if err := app.Run(ctx); err != nil {
//			log.Fatal(err)
//		}
//	}
//
// # Delivery
//
// Points are written before the offsets of their records are committed. After a crash in between they are written again, and take the place of
// themselves: a point is named by its measurement, its tags and its time. docs/connectors/influxdb.md has the conditions.
package influxdb1
