package objecttest

import (
	"log/slog"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/sink"
)

const epoch = "0000000a"

// owner is an owner of a task of a sink.
type owner[K, V any] struct {
	tb testing.TB
	sink.TwoPhaseWriter[K, V]
	id, from, to int64
}

// Open connects a sink, and opens the writer of a task with the tokens of its state.
func open[K, V any](tb testing.TB, s sink.TwoPhase[K, V], tokens ...[]byte) *owner[K, V] {
	tb.Helper()
	if err := s.Connect(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	w, err := s.TwoPhaseWriter(tb.Context(), sink.Task{
		Application: "app", SubTopology: "orders", Sink: "objects", Partition: 3, Logger: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	if err == nil {
		err = w.Recover(tb.Context(), epoch, tokens)
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := w.Close(); err != nil {
			tb.Error(err)
		}
		if err := s.Close(tb.Context()); err != nil {
			tb.Error(err)
		}
	})
	return &owner[K, V]{tb: tb, TwoPhaseWriter: w}
}

// add adds a record that comes of the next offset.
func (o *owner[K, V]) add(key K, value V) {
	o.tb.Helper()
	r := weir.Record[K, V]{Key: key, Value: value, Millis: 5, Origin: &weir.Origin{Topic: "orders", Partition: 3, Offset: o.to}}
	o.to++
	if err := o.Add(o.tb.Context(), &r); err != nil {
		o.tb.Fatal(err)
	}
}

func (o *owner[K, V]) checkpoint() sink.Checkpoint {
	o.id++
	c := sink.Checkpoint{Epoch: epoch, ID: o.id, Positions: []sink.Position{{Topic: "orders", Partition: 3, From: o.from, To: o.to}}}
	o.from = o.to
	return c
}

func (o *owner[K, V]) prepare() []byte {
	o.tb.Helper()
	token, err := o.Prepare(o.tb.Context(), o.checkpoint())
	if err != nil {
		o.tb.Fatal(err)
	}
	return token
}

func (o *owner[K, V]) commit(token []byte) {
	o.tb.Helper()
	if err := o.Commit(o.tb.Context(), token); err != nil {
		o.tb.Fatal(err)
	}
}
