package runtime_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
	sinkkafka "github.com/weirstreams/weir/sink/kafka"
	"github.com/weirstreams/weir/source"
	sourcekafka "github.com/weirstreams/weir/source/kafka"
	"github.com/weirstreams/weir/stream"
)

// kafkaChild is a process that copies a topic of another cluster, and writes the copy back there.
type kafkaChild struct {
	Brokers, There            []string
	Group, StateDir, Instance string
	From, Copy, Back          string // topics
}

func (c *kafkaChild) run() int {
	there := kafka.Connection{Brokers: c.There}
	topology := stream.NewTopology()
	topology.FromSourceWith(source.Options{Name: "s", Slots: 4}, sourcekafka.New(texts(c.From), sourcekafka.Options[string, string]{Connection: there}), texts(c.Copy)).
		Sink("back", sinkkafka.New(texts(c.Back), sinkkafka.Options[string, string]{Connection: there, KeepPartitions: true}))
	app, err := runtime.New(topology, runtime.Config{
		Connection: kafka.Connection{Brokers: c.Brokers}, Group: c.Group, Workers: 2, Guarantee: runtime.ExactlyOnce,
		State: runtime.StateConfig{Dir: c.StateDir, LockWait: 10 * time.Second}, Checkpoint: runtime.CheckpointConfig{Interval: 50 * time.Millisecond},
		Membership: runtime.MembershipConfig{InstanceID: c.Instance, SessionTimeout: 10 * time.Second, RebalanceTimeout: 10 * time.Second},
		Logger:     slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err == nil {
		err = app.Run(context.Background())
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// A process that is killed again and again copies each record of another cluster once, in order, and loses none on the way back.
func TestKilledProcessesCopyEachRecordOfAnotherClusterOnce(t *testing.T) {
	kafkatest.Parallel(t)
	const partitions, records = 2, 10_000 // of a partition at most
	kills := longtest.Cases(2, 20)
	k, there := newKafka(t), newKafka(t)
	c := kafkaChild{
		Brokers: k.Brokers, There: there.Brokers, Group: k.group, StateDir: t.TempDir(), Instance: "member",
		From: there.Topic(t, "from", partitions), Copy: k.Topic(t, "copy", partitions), Back: there.Topic(t, "back", partitions),
	}
	written := 0
	write := func(n int) {
		for p := range int32(partitions) {
			there.write(c.From, p, numbers(int(p)*records+written, int(p)*records+written+n)...)
		}
		written += n
	}
	write(400)
	copied := func() (offsets int64) {
		for p := range int32(partitions) {
			offsets += k.offset(broker.Latest, broker.TopicPartition{Topic: c.Copy, Partition: p})
		}
		return offsets
	}
	random := rand.New(rand.NewPCG(1, uint64(os.Getpid())))
	m := start(t, child{Kafka: &c})
	before := int64(0)
	for killed := range kills {
		await(t, fmt.Sprintf("progress after %d kills", killed), func() bool { return copied() > before+int64(random.IntN(50)) })
		write(50) // so that there is work at the kill
		if err := m.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-m.exited
		before = copied()
		write(50) // so that there is progress
		m = start(t, child{Kafka: &c})
	}
	// seen returns the values of a topic by partition, without those that came before, and how many of these there were.
	seen := func(k *testCluster, topic string) (values [partitions][]string, again int) {
		known := map[string]bool{}
		for _, r := range k.read(topic) {
			if known[string(r.Value)] {
				again++
				continue
			}
			known[string(r.Value)] = true
			n, err := strconv.Atoi(string(r.Value))
			if err != nil {
				t.Fatal(err)
			}
			values[n/records] = append(values[n/records], string(r.Value))
		}
		return values, again
	}
	await(t, "the end of the input", func() bool {
		values, _ := seen(there, c.Back)
		return len(values[0]) == written && len(values[1]) == written
	})
	if err := m.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	m.awaitExit()
	var want [partitions][]string
	for p := range want {
		for n := range written {
			want[p] = append(want[p], strconv.Itoa(p*records+n))
		}
	}
	got, again := seen(k, c.Copy)
	if diff := cmp.Diff(want, got); diff != "" || again > 0 {
		t.Errorf("%d records are in the copy twice; %s", again, diff)
	}
	got, again = seen(there, c.Back)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	t.Logf("%d kills, %d records were written back again", kills, again)
}
