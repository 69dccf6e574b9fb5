package kinesis_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/internal/filetest"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/internal/killtest"
	"github.com/weirstreams/weir/internal/kinesis/kinesistest"
	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/sink/file"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/source/kinesis"
	"github.com/weirstreams/weir/stream"
)

// member is a process that brings the records of a data stream by a topic into files.
type member struct {
	killtest.Member
	Topic, Address, Stream, Out string
}

func TestMain(m *testing.M) { killtest.Main(m.Run, (*member).run) }

func (c *member) run() error {
	t := stream.NewTopology()
	t.FromSourceWith(
		source.Options{LookInterval: 100 * time.Millisecond},
		kinesis.New(kinesistest.At(c.Address, c.Stream), kinesis.Options[string, string]{Lanes: 2, PollInterval: 10 * time.Millisecond, ReadRecords: 20}),
		stream.NewTopic(c.Topic, codec.String(), codec.String()),
	).Sink("archive", file.New(c.Out, file.Options[string, string]{}))
	return c.Run(t)
}

// Two members are killed again and again, while shards are split and merged. Each record is there once, and those of a key are in order.
func TestKilledMembersReadEachRecordOnce(t *testing.T) {
	s := kinesistest.New(t, kinesistest.Address(t, kinesistest.Kinesalite), 2)
	k := kafkatest.Start(t)
	kills := longtest.Cases(3, 6)
	total := 300 * kills
	var records [][2]string
	want := map[string][]string{}
	for n := range total {
		key, value := fmt.Sprint("key", n%11), strconv.Itoa(n)
		records = append(records, [2]string{key, value})
		want[key] = append(want[key], value)
	}
	put(t, s, records[:total/3]...)
	split(t, s, 0) // shards 2 and 3
	put(t, s, records[total/3:2*total/3]...)
	c := member{
		Member: killtest.Member{Brokers: k.Brokers, Group: k.Name("group"), Guarantee: runtime.ExactlyOnce, Interval: 30 * time.Millisecond},
		Topic:  k.Topic(t, "records", 1), Address: s.Endpoint, Stream: s.Name, Out: t.TempDir(),
	}
	got := func() (byKey map[string][]string, n int) {
		_, all := filetest.ReadAll(t, c.Out, format.JSONLines[string, string]{})
		byKey = map[string][]string{}
		for _, r := range all {
			byKey[r.Key] = append(byKey[r.Key], r.Value)
		}
		return byKey, len(all)
	}
	merged := false
	killtest.Run(t, c, killtest.Plan{Processes: 2, Kills: kills, Total: total, Step: 80, Progress: func() int {
		_, n := got()
		if n > total/6 && !merged {
			merged = true
			merge(t, s, 3, 1) // over both lanes
			put(t, s, records[2*total/3:]...)
		}
		return n
	}})
	if all, _ := got(); !cmp.Equal(want, all) {
		t.Errorf("(-want +got):\n%s", cmp.Diff(want, all))
	}
}
