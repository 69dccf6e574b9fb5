// Package mysql reads the rows of MySQL and MariaDB tables, and then each change of them (change data capture). It is a module of its own.
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
//		"github.com/weirstreams/weir/source/mysql"
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
//		rows := mysql.New(mysql.Options[int64, Customer]{
//			URL: secret.New(os.Getenv("DATABASE_URL")), Tables: []string{"customers"},
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
// The source reads the rows of the tables in the order of their primary keys, in chunks, and knows the place of that snapshot in the log of the server (binary
// log). Then it reads the log from there, as a replica does. A change that the rows had already is left out, row by row: so each state of a row is read once, also
// if the reader is started again in the middle. The source has one split, because a log has one order.
//
// The position is a set of global transaction identifiers (GTID), so another server of the replication can take over; on a MySQL server without them it is a
// place in the log of that server. It is committed with the records, so the topic has each change exactly once with runtime.ExactlyOnce.
//
// The server needs binlog_format = ROW, binlog_row_image = FULL and binlog_row_metadata = FULL, which MySQL has since 8.0.1 and MariaDB since 10.5. Rows have the
// columns of the time of their change then, also if later statements change the table. The source is tested with MariaDB 10.11.
//
// # Values
//
//	integers, year   integer, up to 2^64-1   json       row, list or value
//	bit              integer                 datetime   text, "2025-01-02T03:04:05.678"
//	float, double    float                   timestamp  text, RFC 3339 in UTC
//	decimal          text, or float          binaries   text, base64 (geometries as well)
//	set              text, "a,b"             others     text, as the server writes it
//
// A date of zeros is null. A decimal is text because a float would round it; see Options.FloatDecimals.
package mysql
