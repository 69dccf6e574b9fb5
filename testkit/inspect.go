package testkit

import (
	"bytes"
	"testing"
	"time"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/operator"
	"github.com/weirstreams/weir/store"
)

// logLate shows a record that an operator does not use because of its time, and that the test did not ask for with OnLate.
func (d *Driver) logLate(r operator.LateRecord) {
	d.tb.Helper()
	n := d.plan.Graph.Nodes[r.Node]
	d.tb.Logf("record dropped: topic %q partition %d offset %d: key %v, value %v, time %s (%d ms): %s (%s), store %q: %s",
		r.Origin.Topic, r.Origin.Partition, r.Origin.Offset, r.Key, r.Value, time.UnixMilli(r.Millis).UTC().Format(time.RFC3339Nano), r.Millis,
		n, n.Site, r.Store, r.Reason)
}

// Task is the state of a task.
type Task struct {
	// Name is the stream id and the partition.
	Name string
	// Processed, Skipped, Late and NullKeys count records since the application was started: those that were read,
	// those that failed and were skipped, and those that a stateful operator could not use.
	Processed, Skipped, Late, NullKeys int64
	// Ignored is the number of messages that a codec passed over.
	Ignored int64
	// Restored is the number of changelog records that were applied.
	Restored int64
}

// Tasks returns the states of the tasks.
func (d *Driver) Tasks() []Task {
	var tasks []Task
	for _, w := range d.workers {
		for _, s := range w.Status() {
			tasks = append(tasks, Task{
				Name: s.Name, Processed: s.Processed, Skipped: s.Skipped, Late: s.Late, NullKeys: s.NullKeys, Restored: s.Restored, Ignored: s.Ignored,
			})
		}
	}
	return tasks
}

// Cell returns the state that a cell holds for a key, encoded with codec.For, and whether there is any.
func (d *Driver) Cell[S, K any](cell *store.CellHandle[S], key K) (S, bool) {
	d.tb.Helper()
	return find(d, cell.Name(), key, func(c *state.Cell[S], key []byte) (S, bool, error) {
		if err := c.Place(key); err != nil {
			var none S
			return none, false, err
		}
		s, ok := c.Get()
		return s, ok, nil
	})
}

// AsOf returns the state that a versioned store holds for a key at a time, and whether there is any. The key is encoded with codec.For. A time in the far future
// is that of the latest state.
func (d *Driver) AsOf[S, K any](versions *store.VersionedHandle[S], key K, at time.Time) (S, bool) {
	d.tb.Helper()
	return find(d, versions.Name(), key, func(v *state.Versioned[S], key []byte) (S, bool, error) {
		if err := v.Look(key); err != nil {
			var none S
			return none, false, err
		}
		s, ok := v.AsOf(at.UnixMilli())
		return s, ok, v.Err()
	})
}

// find asks the stores of a name, which are of type T, for the state of a key, until one has it.
func find[S, K, T any](d *Driver, name string, key K, of func(store T, key []byte) (S, bool, error)) (S, bool) {
	d.tb.Helper()
	encoded, err := codec.For[K]().Append(nil, &codec.Context{Topic: name, Part: codec.Key}, key)
	if err != nil {
		d.tb.Fatal(err)
	}
	for _, w := range d.workers {
		for _, s := range w.Stores(name) {
			t, ok := s.(T)
			if !ok {
				d.tb.Fatalf("store %q is a %T", name, s)
			}
			switch state, ok, err := of(t, encoded); {
			case err != nil:
				d.tb.Fatal(err)
			case ok:
				return state, true
			}
		}
	}
	var none S
	return none, false
}

// Topics returns the names of all topics, internal ones included, sorted.
func (d *Driver) Topics() []string { return d.broker.TopicNames() }

// logWriter sends the log to that of the test.
type logWriter struct{ tb testing.TB }

func (w logWriter) Write(line []byte) (int, error) {
	w.tb.Helper()
	w.tb.Log(string(bytes.TrimRight(line, "\n")))
	return len(line), nil
}
