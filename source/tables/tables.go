// Package tables is a source of the rows of a table in memory, or of any sequence that can be gone through again.
//
//	package main
//
//	import (
//		"context"
//		"log"
//		"slices"
//
//		"github.com/weirstreams/weir/codec"
//		"github.com/weirstreams/weir/kafka"
//		"github.com/weirstreams/weir/row"
//		"github.com/weirstreams/weir/runtime"
//		"github.com/weirstreams/weir/source/tables"
//		"github.com/weirstreams/weir/stream"
//	)
//
//	func main() {
//		rows := []row.Row{
//			row.New(row.F("session", "s1"), row.F("at", 1_700_000_000_000), row.F("metric", 1.5)),
//			row.New(row.F("session", "s2"), row.F("at", 1_700_000_000_250), row.F("metric", 1.75)),
//		}
//		t := stream.NewTopology()
//		t.AddSource(tables.New(slices.Values(rows), tables.Options[row.Row, string, row.Row]{
//			Record: tables.Columns{Key: "session", Time: "at"}.Record, // the value has all columns
//			Speed:  1,                                                 // with the original pace
//		}), stream.NewTopic("metrics", codec.String(), row.JSON()))
//		app, err := runtime.New(t, runtime.Config{Group: "load", Connection: kafka.Connection{Brokers: []string{"localhost:9092"}}})
//		if err != nil {
//			log.Fatal(err)
//		}
//		if err := app.RunUntil(context.Background(), runtime.Until{Sources: true}); err != nil {
//			log.Fatal(err)
//		}
//	}
//
// The number of rows that were read is part of the state, so that a restart goes on behind them. See docs/connectors/tables.md.
package tables

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/internal/replay"
	"github.com/weirstreams/weir/source"
)

// Options are the settings of [New]. Record has to be set.
type Options[T, K, V any] struct {
	// Record makes the record of a row. A time of 0 is that of the clock. An error ends the run, as the retry policy of the source says; it is
	// called by the goroutine of the source.
	Record func(row T) (weir.Record[K, V], error)
	// Speed replays the times of records: 1 waits between two records as long as their times are apart, 2 half as long, 0 (the default) not
	// at all. A record whose time is before that of its predecessor does not wait. MaxWait bounds each wait; 0 does not bound it.
	Speed   float64
	MaxWait time.Duration
	// Delay is the wait between two records. It does not depend on their times. It cannot be set together with Speed.
	Delay time.Duration
	// BatchRecords is how many records one call of Read returns at most. 0 means 1,000.
	BatchRecords int
}

// New returns a source of rows, in their order: of a slice by slices.Values. The rows have to be the same each time that they are gone through,
// because a restart passes over those that were read. The source is at its end when they are.
//
// A sequence that waits does not hear of the end of the run: [source.Func] does.
func New[T, K, V any](rows iter.Seq[T], options Options[T, K, V]) source.Source[K, V] {
	if options.BatchRecords == 0 {
		options.BatchRecords = 1000
	}
	return &table[T, K, V]{rows, options}
}

type table[T, K, V any] struct {
	rows    iter.Seq[T]
	options Options[T, K, V]
}

// Connect implements [source.Source].
func (s *table[T, K, V]) Connect(context.Context) error {
	wrong := []error{connector.Negative(s.options)}
	if s.rows == nil {
		wrong = append(wrong, errors.New("the rows are nil"))
	}
	if s.options.Record == nil {
		wrong = append(wrong, errors.New("Record is not set"))
	}
	if s.options.Speed > 0 && s.options.Delay > 0 {
		wrong = append(wrong, errors.New("set Speed or Delay, not both"))
	}
	if err := errors.Join(wrong...); err != nil {
		return fmt.Errorf("source/tables: %w: %w", weir.ErrConfiguration, err)
	}
	return nil
}

// Close implements [source.Source].
func (s *table[T, K, V]) Close(context.Context) error { return nil }

// Slots implements [source.Slotted].
func (s *table[T, K, V]) Slots() int32 { return 1 }

// Splits implements [source.Source]: there is one.
func (s *table[T, K, V]) Splits(context.Context, func(string) bool) ([]source.Split, error) {
	return []source.Split{{ID: "rows"}}, nil
}

// Open implements [source.Source]. It passes over the rows that were read.
func (s *table[T, K, V]) Open(ctx context.Context, task source.Task, _ source.Split, position []byte) (source.Reader[K, V], error) {
	var read int64
	if position != nil {
		var err error
		if read, err = strconv.ParseInt(string(position), 10, 64); err != nil || read < 0 {
			return nil, fmt.Errorf("source/tables: position %q is no number of rows", position)
		}
	}
	r := &reader[T, K, V]{
		options: &s.options, now: task.Now, read: read,
		pace: replay.Pace{Speed: s.options.Speed, Most: s.options.MaxWait, Delay: s.options.Delay},
	}
	r.next, r.stop = iter.Pull(s.rows)
	for n := range read {
		if _, ok := r.next(); !ok {
			r.stop()
			return nil, fmt.Errorf("source/tables: there are %d rows, and %d were read before: they have to be the same each time", n, read)
		}
		if n%1024 == 0 && ctx.Err() != nil {
			r.stop()
			return nil, context.Cause(ctx)
		}
	}
	return r, nil
}

type reader[T, K, V any] struct {
	options *Options[T, K, V]
	now     func() time.Time
	next    func() (T, bool)
	stop    func()
	read    int64 // rows that were handed on
	pace    replay.Pace
	// held is the record of the next row, which is due at a time, if waiting is set.
	held    weir.Record[K, V]
	due     time.Time
	waiting bool
	failed  error // of the next row
}

// Read implements [source.Reader].
func (r *reader[T, K, V]) Read(ctx context.Context, into *source.Batch[K, V]) error {
	first := r.read
	defer func() {
		if r.read > first {
			into.Position = strconv.AppendInt(nil, r.read, 10)
		}
	}()
	for r.failed == nil && len(into.Records) < r.options.BatchRecords {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !r.waiting {
			item, ok := r.next()
			if !ok {
				return io.EOF
			}
			var err error
			if r.held, err = r.options.Record(item); err != nil {
				r.failed = fmt.Errorf("source/tables: row %d: %w", r.read+1, err)
				break
			}
			if r.pace.Waits() {
				r.due = r.pace.Due(r.now(), r.held.Millis)
			}
		}
		if r.pace.Waits() {
			wait := r.due.Sub(r.now())
			if r.waiting = wait > replay.ShortestWait; r.waiting {
				return &weir.RetryLaterError{RetryAfter: wait}
			}
		}
		into.Records = append(into.Records, r.held)
		r.read++
	}
	if len(into.Records) > 0 {
		return nil // the records before a row that fails count
	}
	return r.failed
}

// Acknowledge implements [source.Reader]. Rows need none.
func (r *reader[T, K, V]) Acknowledge(context.Context, []byte) error { return nil }

// Close implements [source.Reader].
func (r *reader[T, K, V]) Close() error {
	r.stop()
	return nil
}
