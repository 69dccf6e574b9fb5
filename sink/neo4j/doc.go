// Package neo4j writes streams to Neo4j: a node for each key, or any Cypher query of your own, for many records in a transaction. It is a module of its own.
//
// A complete program that keeps a graph of followers:
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
//		"github.com/weirstreams/weir/sink/neo4j"
//		"github.com/weirstreams/weir/stream"
//	)
//
//	type Follow struct {
//		From  string `json:"from"`
//		To    string `json:"to"`
//		Since int    `json:"since"`
//	}
//
//	func main() {
//		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
//		defer stop()
//		t := stream.NewTopology()
//		follows := stream.NewTopic("follows", codec.String(), codec.JSON[Follow]())
//		t.From(follows).Sink("follows in Neo4j", neo4j.New(neo4j.Options[string, Follow]{
//			URI: "neo4j+s://graph.example.com", User: "weir", Password: secret.New(os.Getenv("NEO4J_PASSWORD")),
//			Query: `MERGE (a:Person {name: event.from})
//				MERGE (b:Person {name: event.to})
//				MERGE (a)-[f:FOLLOWS]->(b) SET f.since = event.since`,
//			Unique: []neo4j.Unique{{Label: "Person", Property: "name"}},
//		}))
//		app, err := runtime.New(t, runtime.Config{
//			Group: "follows-to-neo4j", Connection: kafka.Connection{Brokers: []string{"localhost:9092"}},
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
// Transactions are committed before the offsets of their records. After a crash in between the records are written again. A query that merges by the key, or by the place of the
// record (__origin), leaves the same graph then. docs/connectors/neo4j.md says when delivery is exactly once.
package neo4j
