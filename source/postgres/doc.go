// Package postgres reads the rows of PostgreSQL tables, and then each change of them (change data capture). It is a module of its own.
//
// A complete program that keeps the customers of a database in a topic, and counts those of each country:
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
//		"github.com/weirstreams/weir/source/postgres"
//		"github.com/weirstreams/weir/stream"
//	)
//
//	type Customer struct {
//		Name    string `json:"name"`
//		Country string `json:"country"`
//	}
//
//	func main() {
//		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
//		defer stop()
//		t := stream.NewTopology()
//		customers := stream.NewTopic("customers", codec.Int64(), codec.JSON[Customer]())
//		rows := postgres.New(postgres.Options[int64, Customer]{
//			URL: secret.New(os.Getenv("DATABASE_URL")), Tables: []string{"customers"}, Slot: "weir_customers",
//		})
//		t.FromSource(rows, customers).Print(stream.PrintOptions{})
//		app, err := runtime.New(t, runtime.Config{
//			Group: "customers", Connection: kafka.Connection{Brokers: []string{"localhost:9092"}},
//			Guarantee: runtime.ExactlyOnce,
//		})
//		if err != nil {
//			log.Fatal(err)
//		}
//		if err := app.Run(ctx); err != nil {
//			log.Fatal(err)
//		}
//	}
//
// # Reading
//
// The source makes a replication slot, which keeps the log of the server from then on. It reads the rows of the tables in
// the order of their primary keys, in chunks, without locks. Then it reads the log through the plugin pgoutput, which is part of the server
// (10 and later; tested with 18). A change that the rows had already is left out, row by row, by the number of its transaction:
// so each state of a row is read once, also if the reader is started again in the middle. The source has one split, because a slot
// has one reader.
//
// The position is committed with the records, so the topic has each change exactly once with runtime.ExactlyOnce. The server is
// told after the commit, and may delete its log then.
//
// # Values
//
//	smallint, integer, bigint   integer            json, jsonb   row, list or value
//	real, double precision      float              timestamp     text, "2025-01-02T03:04:05.678"
//	numeric                     text, or float     timestamptz   text, RFC 3339 in UTC
//	boolean                     boolean            others        text, as the server writes it
//
// NaN and infinite floats are null. A numeric is text because a float would round it; see Options.FloatDecimals.
package postgres
