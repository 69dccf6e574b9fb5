// Package killtest kills processes that bring objects by a topic into other objects.
package killtest

import (
	"fmt"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/internal/killtest"
	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/internal/objects"
	"github.com/weirstreams/weir/internal/objects/objecttest"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/sink"
	sinkfile "github.com/weirstreams/weir/sink/file"
	"github.com/weirstreams/weir/source"
	sourcefile "github.com/weirstreams/weir/source/file"
	"github.com/weirstreams/weir/stream"
)

// Place is a bucket of a server. It is the same in the process of the test and in those that are killed.
type Place struct{ Endpoint, Name string }

// Store makes the parts of an application on a store.
type Store struct {
	// Open returns the part of the bucket below a prefix.
	Open func(p Place, prefix string) *objects.Bucket
	// Source and Sink read and write below a prefix.
	Source func(p Place, prefix string, o sourcefile.Options[string, int]) source.Source[string, int]
	Sink   func(p Place, prefix string, o sinkfile.Options[string, int]) sink.TwoPhase[string, int]
}

// Main is for TestMain: it runs a member if the process was started as one, and the tests otherwise.
func Main(m *testing.M, s Store) {
	killtest.Main(m.Run, func(c *member) error { return c.run(s) })
}

// member is a process of the application.
type member struct {
	killtest.Member
	Topic string
	Place Place
}

func (c *member) run(s Store) error {
	topic := stream.NewTopic(c.Topic, codec.String(), codec.Int())
	t := stream.NewTopology()
	read := t.FromSource(s.Source(c.Place, "in", sourcefile.Options[string, int]{BatchRecords: 5, Delay: time.Millisecond}), topic)
	read.Sink("archive", s.Sink(c.Place, "out", sinkfile.Options[string, int]{Compression: format.Zstd, MaxFileRecords: 20}))
	return c.Run(t)
}

// Run kills members again and again, at any time: each record of the objects that were read has to be in one object.
func Run(t *testing.T, s Store, place Place) {
	t.Helper()
	k := kafkatest.Start(t)
	kills := longtest.Cases(4, 12)
	c := member{
		Member: killtest.Member{Brokers: k.Brokers, Group: k.Name("group"), Guarantee: runtime.ExactlyOnce, Interval: 50 * time.Millisecond},
		Topic:  k.Topic(t, "raw", 4), Place: place,
	}
	store := objecttest.Store{Open: func(prefix string) *objects.Bucket { return s.Open(place, prefix) }}
	want := map[string]int{}
	in := store.Bucket(t, "in")
	for f := range 4 {
		var records []weir.Record[string, int]
		for i := range 100 * kills {
			key := fmt.Sprint(f, "-", i)
			want[key] = 1
			records = append(records, weir.Record[string, int]{Key: key, Value: i, Millis: 1767225600000})
		}
		objecttest.Write(t, in, fmt.Sprint(f, ".jsonl"), format.Format[string, int](format.JSONLines[string, int]{}), records...)
	}
	out := store.Bucket(t, "out")
	counts := func() map[string]int {
		counts := map[string]int{}
		for _, r := range objecttest.Records(t, out, format.Format[string, int](format.JSONLines[string, int]{})) {
			counts[r.Key]++
		}
		return counts
	}
	killtest.Run(t, c, killtest.Plan{
		Processes: 2, Kills: kills, Total: len(want), Step: 50, Progress: func() int { return len(counts()) },
	})
	wrong := 0
	got := counts()
	for key, n := range got {
		if n != want[key] {
			wrong++
		}
	}
	if wrong > 0 || len(got) != len(want) {
		t.Errorf("%d of %d records are there, %d of them more than once", len(got), len(want), wrong)
	}
}
