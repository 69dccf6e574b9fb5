package serving_test

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/serving"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
)

// plan has a store "n" in each of two streams, of which the second reads two topics.
func plan() *graph.Plan {
	t := stream.NewTopology()
	out := stream.NewTopic("out", codec.String(), codec.String())
	add := func(s stream.Stream[string, string]) {
		s.MapState(store.NewCell[string]("n"), func(*store.Cell[string], string) string { return "" }).To(out)
	}
	topic := func(name string) stream.Topic[string, string] {
		return stream.NewTopic(name, codec.String(), codec.String())
	}
	add(t.From(topic("a")))
	add(t.From(topic("b")).Merge(t.From(topic("c"))))
	return graph.NewPlan(t.Graph(), "group")
}

func TestAReadSaysWhyItCannotBeAnswered(t *testing.T) {
	t.Parallel()
	s := serving.NewStores(plan(), "http://own")
	if _, err := s.Find("a/n"); !errors.Is(err, weir.ErrMoved) {
		t.Errorf("before the topics are known: %v", err)
	}
	s.Begin(map[string]int32{"a": 4, "b": 4, "c": 2})
	for name, want := range map[string]error{"n": weir.ErrUnknownStore, "m": weir.ErrUnknownStore, "a/n": nil, "b--c/n": nil} {
		if _, err := s.Find(name); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	if uneven, _ := s.Find("b--c/n"); uneven.Even || uneven.Partitions != 4 {
		t.Errorf("b and c: %+v", uneven)
	}
	found, _ := s.Find("a/n")
	from, to := state.CellLayout.All()
	read := func(partition int32, atLeast map[string]int64) (serving.Page, error) {
		return s.Read(found, partition, state.Rows{From: from, To: to, Most: 10}, atLeast)
	}
	expect := func(what string, partition int32, atLeast map[string]int64, want error) {
		t.Helper()
		if _, err := read(partition, atLeast); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
	}
	expect("before the first assignment", 0, nil, weir.ErrMoved)
	s.Assigned([]broker.TopicPartition{{Topic: "a", Partition: 3}}, nil)
	expect("without any endpoint", 0, nil, weir.ErrNotOwner)
	expect("without any endpoint, and assigned to this member", 3, nil, weir.ErrMoved)
	s.Assigned([]broker.TopicPartition{{Topic: "a", Partition: 0}}, map[string][]broker.TopicPartition{
		"http://own": {{Topic: "a", Partition: 0}}, "http://other": {{Topic: "a", Partition: 1}},
	})
	expect("assigned to this member, and not open", 0, nil, weir.ErrMoved)
	expect("assigned to another", 1, nil, weir.ErrNotOwner)
	expect("assigned to nobody", 2, nil, weir.ErrMoved)
	expect("a partition that is not there", 4, nil, weir.ErrConfiguration)
	expect("a position elsewhere", 0, map[string]int64{"b": 1}, weir.ErrConfiguration)
	s.Tasks.Restoring("a/0")
	expect("restoring", 0, nil, weir.ErrRestoring)

	backend := state.NewMemory()
	batch := backend.NewBatch()
	if err := errors.Join(
		batch.Set([]byte("\x00ia"), binary.BigEndian.AppendUint64(nil, 7)), batch.Set([]byte("\x01skey"), []byte("\x00value")), batch.Commit(false),
	); err != nil {
		t.Fatal(err)
	}
	s.Tasks.Serve("a/0", backend, map[string][]byte{"n": {1}})
	page, err := read(0, map[string]int64{"a": 7})
	want := serving.Page{Rows: []state.StoredRow{{Key: []byte("skey"), Value: []byte("value")}}, Position: map[string]int64{"a": 7}}
	if diff := cmp.Diff(want, page); diff != "" || err != nil {
		t.Error(err, diff)
	}
	expect("behind", 0, map[string]int64{"a": 8}, weir.ErrBehind)
	s.Tasks.Restoring("a/0")
	expect("opened anew", 0, nil, weir.ErrRestoring)
	s.Tasks.Gone("a/0")
	expect("gone", 0, nil, weir.ErrMoved)
	s.Assigned(nil, nil)
	expect("by a leader without endpoints", 0, nil, weir.ErrNotOwner)

	counts := map[string]int64{}
	s.Counts(func(result string, n int64) { counts[result] = n })
	if diff := cmp.Diff(map[string]int64{"ok": 1, "not_owner": 3, "moved": 5, "restoring": 2, "behind": 1, "failed": 2}, counts); diff != "" {
		t.Error(diff)
	}
}

// Workers without readers report to nothing.
func TestNobodyNeedsToRead(t *testing.T) {
	t.Parallel()
	var none *serving.Tasks
	none.Restoring("a/0")
	none.Serve("a/0", nil, nil)
	none.Gone("a/0")
}
