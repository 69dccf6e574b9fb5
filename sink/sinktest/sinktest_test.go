package sinktest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/sink"
)

// memory is a target: what is visible, and prepared work by token.
type memory struct {
	mu       sync.Mutex // guards the following
	visible  map[string][]Item
	prepared map[string][]Item
	done     map[string]bool
	pushing  bool
	broken   bool
}

func newMemory() *memory {
	return &memory{visible: map[string][]Item{}, prepared: map[string][]Item{}, done: map[string]bool{}}
}

// faults are mistakes of a sink.
type faults struct {
	keepDiscarded, loseNull, ignoreContext, pushAsError, writeTwice, loseBatch, tellSecret, needConnect bool

	visibleAtOnce, commitTwice, keepLeftovers, removeAll, removeNewer, removeOthers, emptyToken, forgetCommit bool
	skipRefused, wrongIndex                                                                                   bool
}

type pointers = weir.Record[*string, *string]

// toMemory is a sink with a target in memory.
type toMemory struct {
	to     *memory
	place  string
	secret string
	faults faults
}

func (s *toMemory) Connect(context.Context) error {
	switch {
	case s.to == nil && s.faults.tellSecret:
		return fmt.Errorf("connect to memory://user:%s@nowhere", s.secret)
	case s.to == nil:
		return errors.New("connect to memory://user@nowhere")
	}
	return nil
}
func (*toMemory) Close(context.Context) error { return nil }
func (s *toMemory) String() string {
	if s.faults.tellSecret {
		return s.secret
	}
	return "memory"
}
func (*toMemory) GoString() string { return "memory" }

func (s *toMemory) Writer(_ context.Context, task sink.Task) (sink.Writer[*string, *string], error) {
	return &memoryWriter{sink: s, task: task}, s.connected()
}

// connected returns why there is no writer.
func (s *toMemory) connected() error {
	if s.to == nil && !s.faults.needConnect {
		return errors.New("no connection")
	}
	return nil
}

type memoryWriter struct {
	sink  *toMemory
	task  sink.Task
	epoch string
	items []Item
	// refused is the index of a record that the target does not take, plus one, and origins are those of items.
	refused int
	origins []weir.Origin
}

func (w *memoryWriter) Add(_ context.Context, r *pointers) error {
	i := OfPointers(r.Key, r.Value)
	if i.NullKey && w.sink.faults.loseNull {
		return nil
	}
	if i.Value == "poison" {
		w.refused = len(w.items) + 1
	}
	w.items, w.origins = append(w.items, i), append(w.origins, *r.Origin)
	return nil
}
func (w *memoryWriter) Full() bool { return len(w.items) > 5000 }
func (w *memoryWriter) Discard() {
	if !w.sink.faults.keepDiscarded {
		w.items, w.origins, w.refused = nil, nil, 0
	}
}
func (w *memoryWriter) Close() error { return nil }

// ready returns why nothing can be written.
func (w *memoryWriter) ready(ctx context.Context) error {
	m, f := w.sink.to, w.sink.faults
	switch {
	case ctx.Err() != nil && f.ignoreContext:
		return &weir.RetryLaterError{Err: ctx.Err()}
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case m.pushing && f.pushAsError:
		return errors.New("busy")
	case m.pushing:
		return &weir.RetryLaterError{Err: errors.New("busy")}
	case m.broken:
		return errors.New("connection reset")
	}
	return nil
}

// refuse takes the refused record out of the batch.
func (w *memoryWriter) refuse() error {
	if w.refused == 0 {
		return nil
	}
	at := w.refused - 1
	origin := w.origins[at]
	w.items, w.origins, w.refused = slices.Delete(w.items, at, at+1), slices.Delete(w.origins, at, at+1), 0
	switch {
	case w.sink.faults.skipRefused:
		return nil
	case w.sink.faults.wrongIndex:
		origin.Offset++
	}
	return sink.RecordErrors{{Index: at, Origin: origin, Err: errors.New("poison")}}
}

func (w *memoryWriter) Flush(ctx context.Context, _ sink.Checkpoint) error {
	m := w.sink.to
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(w.items) == 0 {
		return nil
	}
	if err := errors.Join(w.ready(ctx), w.refuse()); err != nil {
		return err
	}
	times := 1
	if w.sink.faults.writeTwice {
		times = 2
	}
	if w.sink.faults.loseBatch && len(m.visible[w.sink.place]) > 0 {
		times = 0
	}
	for range times {
		m.visible[w.sink.place] = append(m.visible[w.sink.place], w.items...)
	}
	w.items, w.origins = nil, nil
	return nil
}

// inPhases is the sink with two phases.
type inPhases struct{ toMemory }

func (s *inPhases) TwoPhaseWriter(_ context.Context, task sink.Task) (sink.TwoPhaseWriter[*string, *string], error) {
	return &phasesWriter{memoryWriter{sink: &s.toMemory, task: task}}, s.connected()
}

type phasesWriter struct{ memoryWriter }

// ticket is a token, and the name of prepared work.
type ticket struct {
	Place, Task, Epoch string
	ID                 int64
}

func (w *phasesWriter) taskName() string {
	return fmt.Sprint(w.task.Application, "/", w.task.SubTopology, "/", w.task.Sink, "/", w.task.Partition)
}

func (w *phasesWriter) Recover(_ context.Context, epoch string, tokens [][]byte) error {
	m, f := w.sink.to, w.sink.faults
	m.mu.Lock()
	defer m.mu.Unlock()
	w.epoch = epoch
	for token := range m.prepared {
		var t ticket
		if err := json.Unmarshal([]byte(token), &t); err != nil {
			return err
		}
		counts := slices.ContainsFunc(tokens, func(b []byte) bool { return string(b) == token })
		switch {
		case f.keepLeftovers,
			t.Place != w.sink.place,
			counts && !f.removeAll,
			t.Epoch > epoch && !f.removeNewer,
			t.Task != w.taskName() && !f.removeOthers:
		default:
			delete(m.prepared, token)
		}
	}
	return nil
}

func (w *phasesWriter) Prepare(ctx context.Context, c sink.Checkpoint) ([]byte, error) {
	m := w.sink.to
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(w.items) == 0 && !w.sink.faults.emptyToken {
		return nil, nil
	}
	if err := errors.Join(w.ready(ctx), w.refuse()); err != nil {
		return nil, err
	}
	token, err := json.Marshal(ticket{w.sink.place, w.taskName(), c.Epoch, c.ID})
	if err != nil {
		return nil, err
	}
	m.prepared[string(token)] = w.items
	if w.sink.faults.visibleAtOnce {
		m.visible[w.sink.place] = append(m.visible[w.sink.place], w.items...)
	}
	if !w.sink.faults.keepDiscarded {
		w.items = nil
	}
	return token, nil
}

func (w *phasesWriter) Commit(ctx context.Context, token []byte) error {
	m, f := w.sink.to, w.sink.faults
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := w.ready(ctx); err != nil {
		return err
	}
	if m.done[string(token)] && !f.commitTwice {
		return nil
	}
	items, ok := m.prepared[string(token)]
	if !ok {
		return fmt.Errorf("no work for token %s", token)
	}
	if !f.commitTwice {
		delete(m.prepared, string(token))
	}
	m.done[string(token)] = true
	if !f.forgetCommit && !f.visibleAtOnce {
		m.visible[w.sink.place] = append(m.visible[w.sink.place], items...)
	}
	return nil
}

// target returns the target of a test with such a sink.
func target(f faults, phases bool) Target[*string, *string] {
	m := newMemory()
	create := func(m *memory, place string) sink.Sink[*string, *string] {
		s := toMemory{to: m, place: place, secret: "hunter2", faults: f}
		if phases {
			return &inPhases{s}
		}
		return &s
	}
	set := func(b *bool) func(testing.TB, string) func() {
		return func(testing.TB, string) func() {
			*b = true
			return func() { *b = false }
		}
	}
	return Target[*string, *string]{
		New:    func(_ testing.TB, place string) sink.Sink[*string, *string] { return create(m, place) },
		Record: func(i Item) (key, value *string) { return i.Pointers() },
		Read: func(_ testing.TB, place string) []Item {
			m.mu.Lock()
			defer m.mu.Unlock()
			return slices.Clone(m.visible[place])
		},
		Refused: func() (key, value *string) { return nil, new("poison") },
		Push:    set(&m.pushing), Break: set(&m.broken),
		Leftovers: func(_ testing.TB, place string) (n int) {
			for token := range m.prepared {
				if strings.Contains(token, fmt.Sprintf("%q", place)) {
					n++
				}
			}
			return n
		},
		Secrets: []string{"hunter2"}, Unreachable: func(testing.TB) sink.Sink[*string, *string] { return create(nil, "") },
	}
}

func TestAPlainSinkThatKeepsItsPromisesPasses(t *testing.T)    { Run(t, target(faults{}, false)) }
func TestATwoPhaseSinkThatKeepsItsPromisesPasses(t *testing.T) { Run(t, target(faults{}, true)) }

func TestASinkThatBreaksAPromiseFails(t *testing.T) {
	for _, c := range []struct {
		name   string
		faults faults
		phases bool
		found  []string // by one of these cases
	}{
		{"keeps discarded records", faults{keepDiscarded: true}, false, []string{"discarded records are not written"}},
		{"loses records with null keys", faults{loseNull: true}, false, []string{"records with null keys"}},
		{"takes the end of a context for pressure", faults{ignoreContext: true}, false, []string{"a context that has ended"}},
		{"fails when the target pushes back", faults{pushAsError: true}, false, []string{"a target that pushes back"}},
		{"writes twice", faults{writeTwice: true}, false, []string{"records of a checkpoint are visible"}},
		{"loses a batch", faults{loseBatch: true}, false, []string{"records of a checkpoint are visible"}},
		{"fails by a nil pointer without a connection", faults{needConnect: true}, false, []string{"a target that cannot be reached"}},
		{"tells its secret", faults{tellSecret: true}, false, []string{"secrets are not in errors"}},
		{"passes over refused records in silence", faults{skipRefused: true}, false, []string{"a target that refuses a record"}},
		{"blames another record", faults{wrongIndex: true}, false, []string{"a target that refuses a record"}},
		{"shows prepared records", faults{visibleAtOnce: true}, true, []string{"prepared records are invisible"}},
		{"commits twice", faults{commitTwice: true}, true, []string{"a token is committed twice", "a crash after the commit repeats nothing"}},
		{"keeps work of checkpoints that never were", faults{keepLeftovers: true}, true, []string{"work of checkpoints that never were is removed"}},
		{"removes work with a token", faults{removeAll: true}, true, []string{"a crash before the commit is made good"}},
		{"removes work of its successor", faults{removeNewer: true}, true, []string{"a former owner leaves the work of its successor alone"}},
		{"removes work of other tasks", faults{removeOthers: true}, true, []string{"a task leaves the work of others alone"}},
		{"has tokens of nothing", faults{emptyToken: true}, true, []string{"an empty checkpoint writes nothing"}},
		{"prepares discarded records", faults{keepDiscarded: true}, true, []string{"discarded records are not written"}},
		{"does nothing in Commit", faults{forgetCommit: true}, true, []string{"records of a checkpoint are visible"}},
	} {
		to := target(c.faults, c.phases)
		to.Records = 10
		var found []string
		for i, one := range casesOf(&to, t) {
			if err := one.check(&bench[*string, *string]{Target: &to, tb: t, place: fmt.Sprintf("sinktest_%02d", i)}); err != nil {
				found = append(found, one.name)
			}
		}
		if !slices.ContainsFunc(c.found, func(name string) bool { return slices.Contains(found, name) }) {
			t.Errorf("a sink that %s: found by %q, and not by any of %q", c.name, found, c.found)
		}
	}
}
