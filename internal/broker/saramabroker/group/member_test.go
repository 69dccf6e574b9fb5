package group_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/brokertest"
	"github.com/weirstreams/weir/internal/kafkatest"
)

// member is a group member whose events a test goes through.
type member struct {
	broker.Group
	t testing.TB
}

func newMember(t testing.TB, k *kafkatest.Kafka, c broker.Cluster, group string, topics ...string) member {
	t.Helper()
	return newMemberOf(t, k, c, broker.GroupConfig{Group: group, Topics: [][]string{topics}, RebalanceTimeout: 20 * time.Second})
}

func newMemberOf(t testing.TB, k *kafkatest.Kafka, c broker.Cluster, cfg broker.GroupConfig) member {
	t.Helper()
	cfg.SessionTimeout = k.SessionTimeout()
	cfg.HeartbeatInterval = 50 * time.Millisecond
	g, err := c.NewGroup(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), brokertest.Patience)
		defer cancel()
		g.Leave(ctx)
	})
	return member{Group: g, t: t}
}

// next returns the next event, which the test must end.
func (m member) next() *broker.GroupEvent {
	m.t.Helper()
	ctx := brokertest.Within(m.t)
	for {
		event, err := m.Poll(ctx, time.Second)
		if err != nil {
			m.t.Fatal(err)
		}
		if event != nil {
			return event
		}
	}
}

// until acts on events until one has the kind and number of partitions, and returns its partitions.
func (m member) until(kind broker.GroupEventKind, partitions int) []broker.TopicPartition {
	m.t.Helper()
	for {
		event := m.next()
		event.Done()
		if event.Kind == kind && len(event.Partitions) == partitions {
			return event.Partitions
		}
	}
}

// await runs steps of several members at the same time, as a rebalance needs them all.
func await(steps ...func()) {
	done := make(chan struct{}, len(steps))
	for _, step := range steps {
		go func() {
			defer func() { done <- struct{}{} }()
			step()
		}()
	}
	for range steps {
		<-done
	}
}

// without returns the partitions of a that are not in b.
func without(a, b []broker.TopicPartition) []broker.TopicPartition {
	return slices.DeleteFunc(slices.Clone(a), func(tp broker.TopicPartition) bool { return slices.Contains(b, tp) })
}

// quiet fails if a member got an event.
func (m member) quiet() {
	m.t.Helper()
	if event, err := m.Poll(brokertest.Within(m.t), 0); event != nil || err != nil {
		m.t.Errorf("got %v, %v, want no event", event, err)
	}
}

// joined waits until a member has an assignment, if only of nothing.
func (m member) joined() {
	m.t.Helper()
	for ctx := brokertest.Within(m.t); m.Member().MemberID == ""; {
		if event, err := m.Poll(ctx, 10*time.Millisecond); event != nil || err != nil {
			m.t.Fatalf("got %v, %v, want no event", event, err)
		}
	}
}

// grow acts on events until the member has n partitions. Nothing may be taken away.
func (m member) grow(n int) {
	for n > 0 {
		event := m.next()
		event.Done()
		if event.Kind != broker.Assigned {
			m.t.Errorf("got %s %v", event.Kind, event.Partitions)
			return
		}
		n -= len(event.Partitions)
	}
}

// openWatchful connects a client that looks at the number of partitions every second.
func openWatchful(t testing.TB, k *kafkatest.Kafka) broker.Cluster {
	t.Helper()
	c, err := saramabroker.Open(t.Context(), saramabroker.Config{
		Brokers: k.Brokers, Tune: func(conf *sarama.Config) { conf.Metadata.RefreshFrequency = time.Second },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}
