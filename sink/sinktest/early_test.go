package sinktest

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/background"
	"github.com/weirstreams/weir/sink"
)

// inBatches is a sink that writes full batches before the checkpoint. Its target has one row per key.
type inBatches struct {
	toMemory
	faults earlyFaults
}

// earlyFaults are mistakes of a sink that writes early.
type earlyFaults struct{ forgetError, forgetPressure, discardLate, forgetRest bool }

func (s *inBatches) Writer(context.Context, sink.Task) (sink.Writer[*string, *string], error) {
	w := &earlyWriter{faults: s.faults}
	w.Writer = sink.NewBatchWriter(func(ctx context.Context, records []pointers) error {
		err := s.write(ctx, records)
		forgotten := s.faults.forgetError && errors.As(err, new(sink.RecordErrors)) || s.faults.forgetPressure && errors.As(err, new(*weir.RetryLaterError))
		if forgotten && ctx.Value(flushKey{}) == nil {
			return nil
		}
		return err
	}, sink.BatchOptions{MaxRecords: 7, AtCheckpoint: s.faults.discardLate})
	return w, nil
}

func (s *inBatches) write(ctx context.Context, records []pointers) error {
	m := s.to
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := (&memoryWriter{sink: &s.toMemory}).ready(ctx); err != nil {
		return err
	}
	var refused sink.RecordErrors
	for i := range records {
		item := OfPointers(records[i].Key, records[i].Value)
		if item.Value == "poison" {
			refused = append(refused, sink.RecordError{Index: i, Err: errors.New("poison")})
			continue
		}
		rows := slices.DeleteFunc(m.visible[s.place], func(old Item) bool { return old.Key == item.Key && old.NullKey == item.NullKey })
		m.visible[s.place] = append(rows, item)
	}
	if refused != nil {
		return refused
	}
	return nil
}

// earlyWriter makes the mistakes that are not those of the function that writes.
type earlyWriter struct {
	sink.Writer[*string, *string]
	faults earlyFaults
	added  []pointers
	late   []pointers // was discarded, and is written all the same
}

// flushKey is that of contexts of Flush.
type flushKey struct{}

func (w *earlyWriter) Add(ctx context.Context, r *pointers) error {
	if w.faults.discardLate {
		w.added = append(w.added, *r)
		w.added[len(w.added)-1].Origin = new(*r.Origin)
	}
	return w.Writer.Add(background.With(ctx, immediately{}), r)
}

// immediately writes each batch when it is full.
type immediately struct{}

func (immediately) Start(f func())             { f() }
func (immediately) Wait(context.Context) error { return errors.New("nothing is in flight") }

func (w *earlyWriter) Discard() {
	w.late, w.added = w.added, nil
	w.Writer.Discard()
}

func (w *earlyWriter) Flush(ctx context.Context, c sink.Checkpoint) error {
	ctx = context.WithValue(ctx, flushKey{}, true)
	if w.faults.forgetRest && ctx.Err() == nil {
		w.Writer.Discard()
		return nil
	}
	if err := w.Writer.Flush(ctx, c); err != nil {
		return err
	}
	for i := range w.late {
		if err := w.Writer.Add(ctx, &w.late[i]); err != nil {
			return err
		}
	}
	w.added, w.late = nil, nil
	return w.Writer.Flush(ctx, c)
}

// earlyTarget returns the target of a test with such a sink.
func earlyTarget(f earlyFaults) Target[*string, *string] {
	k := target(faults{}, false)
	of := k.New
	k.New = func(tb testing.TB, place string) sink.Sink[*string, *string] {
		return &inBatches{*of(tb, place).(*toMemory), f}
	}
	k.Idempotent, k.Records = true, 100
	return k
}

func TestASinkThatWritesEarlyPasses(t *testing.T) { Run(t, earlyTarget(earlyFaults{})) }

func TestASinkThatWritesEarlyAndBreaksAPromiseFails(t *testing.T) {
	for name, c := range map[string]struct {
		faults earlyFaults
		found  string
	}{
		"forgets what an early call refuses":       {earlyFaults{forgetError: true}, "a target that refuses one of many records"},
		"forgets that an early call has failed":    {earlyFaults{forgetPressure: true}, "a target that pushes back amid many records"},
		"writes discarded records later":           {earlyFaults{discardLate: true}, "many records that are discarded"},
		"forgets records that fill no whole batch": {earlyFaults{forgetRest: true}, "many records before the end of the task"},
	} {
		to := earlyTarget(c.faults)
		for i, one := range casesOf(&to, t) {
			if one.name != c.found {
				continue
			}
			if one.check(&bench[*string, *string]{Target: &to, tb: t, place: string(rune('a' + i))}) == nil {
				t.Errorf("a sink that %s passes %q", name, c.found)
			}
		}
	}
}
