// Package websocket is a source of the messages of a WebSocket server. It is a module of its own.
//
//	package main
//
//	import (
//		"context"
//		"log"
//
//		"github.com/weirstreams/weir/kafka"
//		"github.com/weirstreams/weir/runtime"
//		"github.com/weirstreams/weir/source/websocket"
//		"github.com/weirstreams/weir/stream"
//	)
//
//	type Price struct {
//		Product string  `json:"product"`
//		Price   float64 `json:"price"`
//	}
//
//	func main() {
//		t := stream.NewTopology()
//		t.AddSource(websocket.New("wss://prices.example/v1", websocket.Options[string, Price]{
//			Subscribe: websocket.SendTexts(`{"op":"subscribe","products":["STEEL-EUR"]}`),
//		}), stream.SourceTopic[string, Price]("prices"))
//		config := runtime.Config{Group: "prices", Connection: kafka.Connection{Brokers: []string{"localhost:9092"}}}
//		config.Topics.Create = true
//		app, err := runtime.New(t, config)
//		if err != nil {
//			log.Fatal(err)
//		}
//		if err := app.Run(context.Background()); err != nil {
//			log.Fatal(err)
//		}
//	}
//
// A lost connection is opened again, for ever by default. The protocol of the server decides about the guarantee: a server that sends nothing
// again cannot be read at least once. See docs/connectors/websocket.md.
package websocket
