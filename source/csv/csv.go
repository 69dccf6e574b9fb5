// Package csv is a source of a CSV file: each line is a record.
//
//	package main
//
//	import (
//		"context"
//		"log"
//
//		"github.com/weirstreams/weir/codec"
//		"github.com/weirstreams/weir/kafka"
//		"github.com/weirstreams/weir/row"
//		"github.com/weirstreams/weir/runtime"
//		"github.com/weirstreams/weir/source/csv"
//		"github.com/weirstreams/weir/stream"
//	)
//
//	func main() {
//		readings := stream.NewTopic("readings", codec.String(), row.JSON())
//		t := stream.NewTopology()
//		t.AddSource(csv.New("readings.csv", csv.Options[string, row.Row]{
//			Key:   func(r row.Row) (string, error) { return r.Get[string]("sensor") },
//			Kinds: map[string]row.Kind{"celsius": row.KindFloat},
//		}), readings)
//		app, err := runtime.New(t, runtime.Config{Group: "load", Connection: kafka.Connection{Brokers: []string{"localhost:9092"}}})
//		if err != nil {
//			log.Fatal(err)
//		}
//		if err := app.RunUntil(context.Background(), runtime.Until{Sources: true}); err != nil {
//			log.Fatal(err)
//		}
//	}
//
// The values are rows of text, or structs with the fields that the header names. The position in the file is part of the state. For many files,
// compression and replays take source/file with format.CSV. See docs/connectors/csv.md.
package csv

import (
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/source/file"
)

// Options are the settings of [New]. The zero value reads a file with a header, as Excel writes it, and makes a row of each line.
type Options[K, V any] struct {
	// Key returns the key of a record from its value. nil means the column of format.PartKey, or null.
	Key func(value V) (K, error)
	// Time returns the time of a record from its value. nil means the column of format.PartTime, or the time of the clock.
	Time func(value V) (time.Time, error)
	// Columns says that columns have another part of the record than a column of its row, such as format.RecordColumns for files of
	// sink/csv. A file must have them all. nil means that all columns are those of the row, but for _timestamp and _key.
	Columns []format.Column
	// Dialect is how cells are separated and quoted: format.Excel, format.ExcelTab, format.Unix or one of your own.
	Dialect format.Dialect
	// NoHeader says that the first line is a record; Columns has the names then.
	NoHeader bool
	// Kinds says which columns of a row are read as something else than text. Fields of a struct say so themselves.
	Kinds map[string]row.Kind
	// FromRow sets the value, and anything else, of a record. nil makes the value of the row: itself, or a struct.
	FromRow func(columns row.Row, r *weir.Record[K, V]) error
	// Delay is the wait between two records.
	Delay time.Duration
	// OnError decides about a line that cannot be read: nil passes over it, an error ends the run. Without it every such line ends the run.
	OnError func(err *format.Error) error
}

// New returns a source of a CSV file, which may be compressed (.gz, .zst).
func New[K, V any](path string, options Options[K, V]) source.Source[K, V] {
	return file.New(path, file.Options[K, V]{
		Format: format.CSV[K, V]{
			Rows: format.Rows[K, V]{FromRow: options.FromRow}, Dialect: options.Dialect, Columns: options.Columns, NoHeader: options.NoHeader, Kinds: options.Kinds,
		},
		Key: options.Key, Time: options.Time, Delay: options.Delay, OnError: options.OnError,
	})
}
