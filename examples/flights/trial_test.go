package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/internal/kafkatest"
)

var (
	seedFlag  = flag.Uint64("crash.seed", 0, "seed of the points at which processes are killed; 0 takes a new one")
	killsFlag = flag.Int("crash.kills", 0, "how often a process is killed; 0 means 2 times, or 3 with WEIR_TEST_LONG, or 10 on a real broker")
)

const (
	patience   = 3 * time.Minute
	partitions = 4
	// often is a checkpoint interval that leaves little to do again, but something.
	often = 200 * time.Millisecond
)

// trial is a cluster with flights, and what is known of the pipeline there.
type trial struct {
	*kafkatest.Kafka
	t       testing.TB
	cluster broker.Cluster
	name    string
	topics  Topics
	plan    *graph.Plan
	flights int // that were written; it belongs to feed until that is stopped
	dir     string
}

// newTrial makes the topics.
func newTrial(t testing.TB) *trial {
	t.Helper()
	k := &trial{Kafka: kafkatest.Start(t), t: t, dir: t.TempDir()}
	k.name = k.Name("flights")
	k.topics = NewTopics(k.name, partitions)
	k.plan = graph.NewPlan(Topology(k.topics, nil, nil).Graph(), k.name)
	var err error
	k.cluster, err = saramabroker.Open(t.Context(), saramabroker.Config{Brokers: k.Brokers, Logger: logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.cluster.Close() })
	// It returns when the cluster shows the topics to those who ask, which takes a moment.
	var specs []broker.TopicSpec
	for _, topic := range []string{k.topics.Flights.Name(), k.topics.Totals.Name(), k.topics.Hours.Name()} {
		specs = append(specs, broker.TopicSpec{
			Name: topic, Partitions: partitions, Replication: -1, Config: map[string]string{"retention.ms": "-1"},
		})
	}
	if err := k.cluster.CreateTopics(k.within(), specs...); err != nil {
		t.Fatal(err)
	}
	return k
}

// member returns a member of the group with a state directory and a log of its own.
func (k *trial) member(name string) member {
	m := member{
		Brokers: k.Brokers, Name: k.name, StateDir: filepath.Join(k.dir, name), Log: filepath.Join(k.dir, name+".log"),
		// Short, but not so short that a busy machine misses it.
		SessionTimeout: max(3*time.Second, k.SessionTimeout()), CheckpointInterval: often,
	}
	if !k.Real() {
		// When a member dies in a rebalance, kfake waits for it, not until its session is over but for all of the rebalance
		// timeout, and leaves those without an answer whose session is over meanwhile. These end both.
		m.RebalanceTimeout, m.ReadTimeout = 10*time.Second, 5*time.Second
	}
	return m
}

// repartition is the topic that brings flights to their airport.
func (k *trial) repartition() string { return k.plan.Topic(k.airports().Sources[0]) }

// airports is the part of the topology that has the state.
func (k *trial) airports() *graph.SubTopology { return k.plan.SubTopologies[1] }

func (k *trial) within() context.Context {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(k.t.Context()), patience)
	k.t.Cleanup(cancel)
	return ctx
}

func newRandom(t testing.TB) *rand.Rand {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-crash.seed=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// partitionsOf returns the partitions of a topic.
func partitionsOf(topics ...string) []broker.TopicPartition {
	var tps []broker.TopicPartition
	for _, topic := range topics {
		for p := range int32(partitions) {
			tps = append(tps, broker.TopicPartition{Topic: topic, Partition: p})
		}
	}
	return tps
}

// awaitFinished waits until all flights were read and all that came of them is committed.
func (k *trial) awaitFinished(r *running) {
	k.t.Helper()
	r.await("tasks", 0, func(now report) bool { return now.Tasks > 0 }) // there may be nothing left to do
	ctx := k.within()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		behind, err := k.behind(ctx)
		if err != nil {
			k.t.Fatal(err)
		}
		if behind == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-r.exited:
			k.t.Fatalf("the process has ended %d records too early: %v", behind, r.cmd.ProcessState)
		case <-ctx.Done():
			k.t.Fatalf("not finished within %v: %d records are left", patience, behind)
		}
	}
}

// behind returns how many records of the input and of the repartition topic are not committed.
func (k *trial) behind(ctx context.Context) (n int64, err error) {
	tps := partitionsOf(k.topics.Flights.Name(), k.repartition())
	// In this order: the repartition topic grows before the flights that it comes of are committed.
	committed, err := k.cluster.CommittedOffsets(ctx, k.name, tps...)
	if err != nil {
		return 0, err
	}
	// Also what belongs to transactions that have not ended, and their markers.
	ends, err := k.cluster.Offsets(ctx, broker.Latest, tps...)
	for _, tp := range tps {
		n += ends[tp] - committed[tp]
	}
	return n, err
}

// committed returns how many flights the group has committed. Any goroutine may call it. It waits for brokers that are
// away.
func (k *trial) committed() (n int64) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var offsets map[broker.TopicPartition]int64
	err := weir.ErrUnavailable
	for errors.Is(err, weir.ErrUnavailable) && ctx.Err() == nil {
		offsets, err = k.cluster.CommittedOffsets(ctx, k.name, partitionsOf(k.topics.Flights.Name())...)
	}
	if err != nil {
		k.t.Error(err)
	}
	for _, offset := range offsets {
		n += offset
	}
	return n
}

// read calls f for every record of a topic, partition by partition in order.
func (k *trial) read(topic string, f func(partition int32, r *broker.Record)) {
	k.t.Helper()
	ctx := k.within()
	tps := partitionsOf(topic)
	ends, err := k.cluster.Offsets(ctx, broker.End, tps...)
	if err != nil {
		k.t.Fatal(err)
	}
	begins, err := k.cluster.Offsets(ctx, broker.Earliest, tps...)
	if err != nil {
		k.t.Fatal(err)
	}
	fetcher, err := k.cluster.NewFetcher(broker.FetcherConfig{})
	if err != nil {
		k.t.Fatal(err)
	}
	defer fetcher.Close()
	for _, tp := range tps {
		fetcher.Start(tp, begins[tp])
		for next := begins[tp]; next < ends[tp]; {
			batch, err := fetcher.Poll(ctx, time.Second)
			if err != nil {
				k.t.Fatal(err)
			}
			if batch == nil {
				continue
			}
			for i := range batch.Records {
				f(tp.Partition, &batch.Records[i])
			}
			next = batch.NextOffset
			batch.Release()
		}
		fetcher.Stop(tp)
	}
}

func (k *trial) unmarshal(data []byte, v any) {
	k.t.Helper()
	if err := json.Unmarshal(data, v); err != nil {
		k.t.Fatalf("%q: %v", data, err)
	}
}
