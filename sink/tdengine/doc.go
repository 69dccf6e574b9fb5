// Package tdengine writes streams to TDengine as points, by the line protocol of InfluxDB, which taosAdapter reads over HTTP.
//
// A complete program that writes measurements of sensors into a supertable, with a table for each sensor:
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
//		"github.com/weirstreams/weir/sink/tdengine"
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
//		t.From(readings).Sink("tdengine", tdengine.New("https://tdengine.example.com:6041", tdengine.Options[string, Reading]{
//			Database:    "plant",
//			Measurement: "readings",
//			Tags:        []string{"sensor"},
//			Auth:        tdengine.Basic("writer", secret.New(os.Getenv("TDENGINE_PASSWORD"))),
//		}))
//		app, err := runtime.New(t, runtime.Config{
//			Group: "readings-to-tdengine", Connection: kafka.Connection{Brokers: []string{"localhost:9092"}},
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
// themselves: a point is named by its table and its time. docs/connectors/tdengine.md has the conditions.
//
// The package is tested against a fake of the HTTP API alone.
package tdengine
