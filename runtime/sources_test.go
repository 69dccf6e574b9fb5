package runtime_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/stream"
)

// shelf is a source of several splits with so many numbers each, in batches of at most five.
type shelf struct {
	splits, records int
	// wait is how long a read takes.
	wait time.Duration
	// endless says that the splits have no end: at the end they wait.
	endless bool

	mu           sync.Mutex // guards the fields below, as members of a group share the source
	open         map[string]int
	twice        []string
	acknowledged map[string]uint64
	opens        int
	failOpen     error
	connections  int
}

func (s *shelf) Connect(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.connections++
	return nil
}

func (s *shelf) Close(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.connections--
	return nil
}

func (s *shelf) Splits(context.Context, func(string) bool) (splits []source.Split, err error) {
	for i := range s.splits {
		splits = append(splits, source.Split{ID: fmt.Sprint("split-", i)})
	}
	return splits, nil
}

func (s *shelf) Open(_ context.Context, _ source.Task, split source.Split, position []byte) (source.Reader[string, string], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opens++
	if s.failOpen != nil {
		return nil, s.failOpen
	}
	if s.open == nil {
		s.open, s.acknowledged = map[string]int{}, map[string]uint64{}
	}
	if s.open[split.ID]++; s.open[split.ID] > 1 {
		s.twice = append(s.twice, split.ID)
	}
	r := &shelfReader{shelf: s, split: split.ID}
	if position != nil {
		r.next = binary.BigEndian.Uint64(position)
	}
	return r, nil
}

type shelfReader struct {
	*shelf
	split string
	next  uint64
}

func (r *shelfReader) Read(ctx context.Context, into *source.Batch[string, string]) error {
	if r.wait > 0 || r.endless && r.next >= uint64(r.records) {
		select {
		case <-time.After(max(r.wait, 10*time.Millisecond)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for range 5 {
		if r.next >= uint64(r.records) {
			break
		}
		into.Records = append(into.Records, weir.Record[string, string]{Key: r.split, Value: fmt.Sprint(r.split, ":", r.next)})
		into.Bytes += 10
		r.next++
	}
	into.Position = binary.BigEndian.AppendUint64(nil, r.next)
	into.Behind = int64(r.records) - int64(r.next)
	if r.next >= uint64(r.records) && !r.endless {
		return io.EOF
	}
	return nil
}

func (r *shelfReader) Acknowledge(_ context.Context, position []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.acknowledged[r.split] = binary.BigEndian.Uint64(position)
	return nil
}

func (r *shelfReader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open[r.split]--
	return nil
}

// want returns the values of all records.
func (s *shelf) want() (values []string) {
	for i := range s.splits {
		for n := range s.records {
			values = append(values, fmt.Sprint("split-", i, ":", n))
		}
	}
	slices.Sort(values)
	return values
}

// readValues returns the values in a topic, sorted.
func (k *testCluster) readValues(topic string) (values []string) {
	k.t.Helper()
	for _, r := range k.read(topic) {
		values = append(values, string(r.Value))
	}
	slices.Sort(values)
	return values
}

func TestRunUntilTheSourcesAreAtTheirEndsAndTheirRecordsProcessed(t *testing.T) {
	kafkatest.Parallel(t)
	for _, guarantee := range []runtime.Guarantee{runtime.AtLeastOnce, runtime.ExactlyOnce} {
		t.Run(fmt.Sprint(guarantee), func(t *testing.T) {
			k := newKafka(t)
			in, out := k.Topic(t, "in", 2), k.Topic(t, "out", 1)
			s := &shelf{splits: 7, records: 23}
			topology := stream.NewTopology()
			topology.FromSourceWith(source.Options{Slots: 3, OpenSplits: 2}, s, texts(in)).Map(strings.ToUpper).To(texts(out))
			config := k.config()
			config.Guarantee = guarantee
			config.Topics.OffsetReset = kafka.Latest // records must not be lost that come before the topic is read
			a := app(t, topology, config)
			if err := a.RunUntil(within(t), runtime.Until{Sources: true}); err != nil {
				t.Fatal(err)
			}
			want := s.want()
			if diff := cmp.Diff(want, k.readValues(in)); diff != "" {
				t.Error(diff)
			}
			for i := range want {
				want[i] = strings.ToUpper(want[i])
			}
			if diff := cmp.Diff(want, k.readValues(out)); diff != "" {
				t.Error(diff)
			}
			for id, n := range s.open {
				if n != 0 {
					t.Errorf("%d readers of %s are open", n, id)
				}
				if s.acknowledged[id] != uint64(s.records) {
					t.Errorf("%d records of %s are acknowledged", s.acknowledged[id], id)
				}
			}
			if len(s.twice) > 0 || s.connections != 0 || s.opens != 7 {
				t.Errorf("%d opens, read twice %v, %d connections", s.opens, s.twice, s.connections)
			}
			// The end marks are kept: another run reads nothing.
			if err := app(t, topology, config).RunUntil(within(t), runtime.Until{Sources: true}); err != nil {
				t.Fatal(err)
			}
			if n := len(k.read(in)); n != len(want) || s.opens != 7 {
				t.Errorf("%d records and %d opens after another run", n, s.opens)
			}
		})
	}
}

func TestTheSplitsOfASourceMoveWithTheGroupAndNoneIsReadTwice(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	in := k.Topic(t, "in", 2)
	s := &shelf{splits: 16, records: 60, wait: 500 * time.Millisecond, endless: true} // splits move while they are read
	topology := func() *stream.Topology {
		topology := stream.NewTopology()
		topology.AddSource(s, texts(in))
		return topology
	}
	config := k.config()
	config.Guarantee = runtime.ExactlyOnce
	first := run(t, topology(), config)
	first.await("the first member reads", func(st runtime.Status) bool { return len(st.Sources) == 8 && st.Sources[0].Looked })
	config.State.Dir = t.TempDir()
	second := run(t, topology(), config)
	second.await("half of the slots", func(st runtime.Status) bool { return len(st.Sources) == 4 })
	first.await("half of the slots", func(st runtime.Status) bool { return len(st.Sources) == 4 })
	second.stop()
	first.await("all slots again", func(st runtime.Status) bool { return len(st.Sources) == 8 })
	await(t, "everything is acknowledged", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		n := 0
		for _, position := range s.acknowledged {
			if position == uint64(s.records) {
				n++
			}
		}
		return n == s.splits
	})
	if status := first.Status(); status.Sources[0].Source != in || !status.Sources[0].Looked || status.Sources[0].Done {
		t.Errorf("%+v", status.Sources[0])
	}
	first.stop()
	if diff := cmp.Diff(s.want(), k.readValues(in)); diff != "" {
		t.Error(diff)
	}
	if len(s.twice) > 0 {
		t.Errorf("read twice at a time: %v", s.twice)
	}
}

func TestASourceThatCannotBeOpenedEndsTheRunWithItsNameAndSplit(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	in := k.Topic(t, "in", 1)
	s := &shelf{splits: 1, records: 1, failOpen: errors.New("permission denied")}
	topology := stream.NewTopology()
	topology.AddSourceWith(source.Options{Name: "files", Retry: weir.Retry{Attempts: 3, FirstWait: time.Millisecond}}, s, texts(in))
	err := app(t, topology, k.config()).Run(within(t))
	failed, ok := errors.AsType[*source.Error](err)
	if !ok || failed.Source != "files" || failed.Split != "split-0" || failed.Attempts != 3 || s.opens != 3 {
		t.Errorf("%v after %d opens", err, s.opens)
	}
}

func TestTheRateOfASourceIsLimited(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	in := k.Topic(t, "in", 1)
	topology := stream.NewTopology()
	s := &shelf{splits: 1, records: 20}
	topology.AddSourceWith(source.Options{Slots: 1, RecordsPerSecond: 50}, s, texts(in))
	began := time.Now()
	if err := app(t, topology, k.config()).RunUntil(within(t), runtime.Until{Sources: true}); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 300*time.Millisecond {
		t.Errorf("20 records at 50 per second took %v", took)
	}
	if n := len(k.read(in)); n != 20 {
		t.Errorf("%d records", n)
	}
}

func TestAChangedNumberOfSlotsIsRefused(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	in := k.Topic(t, "in", 1)
	run := func(slots int32) error {
		topology := stream.NewTopology()
		topology.AddSourceWith(source.Options{Slots: slots}, &shelf{splits: 1, records: 1}, texts(in))
		return app(t, topology, k.config()).RunUntil(within(t), runtime.Until{Sources: true})
	}
	if err := run(2); err != nil {
		t.Fatal(err)
	}
	if err := run(3); !errors.Is(err, weir.ErrTopicSettings) || !strings.Contains(err.Error(), "set source.Options.Slots to 2") {
		t.Errorf("%v", err)
	}
}
