package sim

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/operator"
)

// limitSalt keeps all other meanings of a seed.
const limitSalt = 13

// DeadLettersTopic is the topic of dead letters of a Simulation.
const DeadLettersTopic = "deadletters__" + groupName

// lossSalt does so too.
const lossSalt = 14

// configureLimits makes limits small that are large in production, so that worlds cross them, and partitions many.
func (w *world) configureLimits(r random, s *Simulation) {
	c := &w.config
	if r.oneIn(2) {
		c.engine.StoreLimits = state.Limits{
			SweepRows: pick(r, 0, 1, 3), DueTimers: pick(r, 0, 1, 2, 5), TailValues: pick(r, 0, 1, 2, 6),
		}
	}
	if s.Partitions == 0 && r.oneIn(5) {
		c.partitions = r.between(4, 9)
	}
	if r.oneIn(4) {
		c.engine.MaxBufferedBytes = pick[int64](r, 50, 100)
	}
	w.atOnce = r.oneIn(4)
	if r.oneIn(4) {
		c.engine.AlignTimeout = pick(r, time.Second, 3*time.Second, 20*time.Second)
	}
	if s.Faults&Membership != 0 && c.engine.RevokeTimeout > 0 && r.oneIn(4) {
		w.partialCheckpoints(r)
	}
	c.engine.Errors = weir.ErrorPolicy{Decide: func(f *weir.FailedRecord) weir.ErrorAction {
		switch {
		case s.Skip == nil || !s.Skip(f.ProcessingError):
			return weir.Fail
		case s.DeadLetters:
			return weir.DeadLetter
		default:
			return weir.Skip
		}
	}}
	if s.DeadLetters {
		c.engine.Errors.DeadLetters = weir.DeadLetterOptions{Topic: DeadLettersTopic, MaxShare: 1}
	}
}

// partialCheckpoints lets checkpoints before a rebalance be cut off at any call to the cluster, and steps that tasks which are to
// go would wait for: RevokeTimeout is short, by the clock of the world.
func (w *world) partialCheckpoints(r random) {
	w.config.engine.RevokeTimeout = pick(r, 20*time.Millisecond, 200*time.Millisecond, 2*time.Second)
	w.config.engine.AfterFunc = func(d time.Duration, f func()) (stop func()) {
		t := &timer{at: w.clock.Now().Add(d), fire: f}
		w.timers = append(w.timers, t)
		return func() { w.timers = slices.DeleteFunc(w.timers, func(other *timer) bool { return other == t }) }
	}
}

// timer calls a function when its time has come.
type timer struct {
	at   time.Time
	fire func()
}

// fireTimers fires due timers.
func (w *world) fireTimers() {
	w.timers = slices.DeleteFunc(w.timers, func(t *timer) bool {
		due := !w.clock.Now().Before(t.at)
		if due {
			w.tracef("a checkpoint or a step is cut off")
			t.fire()
		}
		return due
	})
}

// sweepRest returns the rows of a store when all expired states are gone: a flush removes only so many, and the rest would go
// with the checkpoints to come.
func (w *world) sweepRest(t task, name string, rows map[string]string) map[string]string {
	if w.config.engine.StoreLimits.SweepRows == 0 {
		return rows
	}
	swept := map[string]string{}
	backend := state.NewMemory()
	write := func(key, value []byte) {
		batch := backend.NewBatch()
		defer batch.Close()
		row := append([]byte{1}, key...)
		var err error
		if value == nil {
			delete(swept, string(key))
			err = batch.Delete(row)
		} else {
			swept[string(key)] = string(value)
			err = batch.Set(row, value)
		}
		if err == nil {
			err = batch.Commit(false)
		}
		if err != nil {
			w.failf("sweep %s of %s: %v", name, t.dir, err)
		}
	}
	for key, value := range rows {
		write([]byte(key), append([]byte{}, value...))
	}
	env := &operator.Env{
		Context: withSinks(nil, nil), Logger: slog.New(slog.DiscardHandler), Origin: weir.Origin{Partition: t.partition},
		Space: func(of string) (state.Space, error) {
			space := state.Space{Name: of, Backend: state.NewMemory(), Prefix: []byte{1}, CacheBytes: 1 << 30, Limits: w.config.engine.StoreLimits}
			if of == name {
				space.Backend = backend
			}
			return space, nil
		},
		Output: func(topic string) (operator.Output, error) { return nowhere(w.partitions[topic]), nil },
		DynamicOutput: func(_ context.Context, _ int, topic string, _ operator.TopicTemplate) (string, operator.Output, error) {
			return topic, nowhere(w.partitions[topic]), nil
		},
	}
	if _, err := w.build(t, env, w.modelGlobals(w.reference.Globals, w.reference.Topic)); err != nil {
		w.failf("sweep %s of %s: %v", name, t.dir, err)
	}
	for _, s := range env.Stores {
		keyed, ok := s.(state.Keyed)
		if s.Name() != name || !ok {
			continue
		}
		for emitted := true; emitted; {
			if err := keyed.Enter([]byte("nobody's"), 0); err != nil { // reads the time that was reached
				w.failf("sweep %s of %s: %v", name, t.dir, err)
			}
			emitted = false
			var changes []change
			err := s.Flush(func(key, value []byte) error {
				emitted = true
				changes = append(changes, change{bytes.Clone(key), bytes.Clone(value)})
				return nil
			})
			if err != nil {
				w.failf("sweep %s of %s: %v", name, t.dir, err)
			}
			for _, c := range changes {
				write(c.key, c.value)
			}
			s.Committed()
		}
	}
	return swept
}

// nowhere is an output that nothing is written to; it has so many partitions.
type nowhere int32

// Partitions implements [operator.Output].
func (n nowhere) Partitions() int32 { return int32(n) }

// Append implements [operator.Output].
func (nowhere) Append(int32, *broker.Record) error { panic("nothing is processed") }
