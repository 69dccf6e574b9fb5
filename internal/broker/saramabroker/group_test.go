package saramabroker_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/kafkatest"
)

// member is a group member whose events a test goes through.
type member struct {
	broker.Group
	t testing.TB
}

func newMember(t testing.TB, k *kafkatest.Kafka, c broker.Cluster, group string, topics ...string) member {
	t.Helper()
	g, err := c.NewGroup(broker.GroupConfig{
		Group: group, Topics: [][]string{topics},
		SessionTimeout:    k.SessionTimeout(),
		HeartbeatInterval: 50 * time.Millisecond,
		RebalanceTimeout:  20 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		g.Leave(ctx)
	})
	return member{Group: g, t: t}
}

// next returns the next event, which the test must end.
func (m member) next() *broker.GroupEvent {
	m.t.Helper()
	ctx := within(m.t)
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

func TestMembersShareThePartitionsOfAllTopics(t *testing.T) {
	k := kafkatest.Start(t)
	c := open(t, k)
	group, a, b := k.Name("group"), k.Topic(t, "a", 4), k.Topic(t, "b", 4)

	first := newMember(t, k, c, group, a, b)
	if got := first.until(broker.Assigned, 8); len(got) != 8 {
		t.Fatalf("a single member has %v", got)
	}
	second := newMember(t, k, c, group, a, b)
	var mine, other []broker.TopicPartition
	await(
		func() {
			event := first.next()
			if event.Kind != broker.Revoked || len(event.Partitions) != 8 {
				t.Errorf("the member got %s %v, want all partitions revoked", event.Kind, event.Partitions)
			}
			event.Done()
			mine = first.until(broker.Assigned, 4)
		},
		func() { other = second.until(broker.Assigned, 4) },
	)
	numbers := func(tps []broker.TopicPartition, topic string) (numbers []int32) {
		for _, tp := range tps {
			if tp.Topic == topic {
				numbers = append(numbers, tp.Partition)
			}
		}
		return numbers
	}
	for _, tps := range [][]broker.TopicPartition{mine, other} {
		if diff := cmp.Diff(numbers(tps, a), numbers(tps, b)); diff != "" {
			t.Error("a member has different partition numbers of the topics:", diff)
		}
	}
	all := slices.Sorted(slices.Values(append(numbers(mine, a), numbers(other, a)...)))
	if diff := cmp.Diff([]int32{0, 1, 2, 3}, all); diff != "" {
		t.Error(diff)
	}

	if err := second.Leave(within(t)); err != nil {
		t.Fatal(err)
	}
	first.until(broker.Revoked, 4)
	first.until(broker.Assigned, 8)
}

func TestAMemberMayGetNothing(t *testing.T) {
	k := kafkatest.Start(t)
	c := open(t, k)
	group, topic := k.Name("group"), k.Topic(t, "one", 1)
	first := newMember(t, k, c, group, topic)
	first.until(broker.Assigned, 1)
	second := newMember(t, k, c, group, topic)
	var got [2]int
	await(
		func() { first.until(broker.Revoked, 1); e := first.next(); e.Done(); got[0] = len(e.Partitions) },
		func() { e := second.next(); e.Done(); got[1] = len(e.Partitions) },
	)
	if got[0]+got[1] != 1 {
		t.Errorf("the members have %v partitions, want one of them to have one", got)
	}
}

func TestARebalanceWaitsForDone(t *testing.T) {
	k := kafkatest.Start(t)
	c := open(t, k)
	group, topic := k.Name("group"), k.Topic(t, "done", 2)
	first := newMember(t, k, c, group, topic)
	first.until(broker.Assigned, 2)
	second := newMember(t, k, c, group, topic)
	if event, err := second.Poll(within(t), 0); event != nil || err != nil {
		t.Fatal(event, err)
	}
	revoked := first.next()
	if revoked.Kind != broker.Revoked {
		t.Fatalf("got %s, want revoked", revoked.Kind)
	}
	// The member is still one, and its partitions are its own.
	offsets := map[broker.TopicPartition]int64{{Topic: topic, Partition: 0}: 7, {Topic: topic, Partition: 1}: 9}
	if err := first.Commit(within(t), offsets); err != nil {
		t.Fatalf("commit before Done: %v", err)
	}
	for _, m := range []member{first, second} {
		if event, err := m.Poll(within(t), 200*time.Millisecond); event != nil || err != nil {
			t.Fatalf("got %v, %v before Done", event, err)
		}
	}
	revoked.Done()
	if err := first.Commit(within(t), offsets); err == nil {
		// It may be a member again already, with one of the two partitions.
		t.Error("a commit of both partitions succeeded after Done")
	} else if !errors.Is(err, broker.ErrFenced) {
		t.Error(err)
	}
	await(
		func() { first.until(broker.Assigned, 1) },
		func() { second.until(broker.Assigned, 1) },
	)
	got, err := c.CommittedOffsets(within(t), group, broker.TopicPartition{Topic: topic, Partition: 0}, broker.TopicPartition{Topic: topic, Partition: 1})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(offsets, got); diff != "" {
		t.Error(diff)
	}
}

func TestACommitOfPartitionsOfAnotherMemberIsFenced(t *testing.T) {
	k := kafkatest.Start(t)
	c := open(t, k)
	group, topic := k.Name("group"), k.Topic(t, "fenced", 2)
	first := newMember(t, k, c, group, topic)
	if err := first.Commit(within(t), map[broker.TopicPartition]int64{{Topic: topic}: 1}); !errors.Is(err, broker.ErrFenced) {
		t.Errorf("commit before joining: %v, want %v", err, broker.ErrFenced)
	}
	first.until(broker.Assigned, 2)
	second := newMember(t, k, c, group, topic)
	var mine, others []broker.TopicPartition
	await(
		func() { mine = first.until(broker.Assigned, 1) },
		func() { others = second.until(broker.Assigned, 1) },
	)
	if err := first.Commit(within(t), map[broker.TopicPartition]int64{mine[0]: 3}); err != nil {
		t.Error(err)
	}
	if err := first.Commit(within(t), map[broker.TopicPartition]int64{others[0]: 3}); !errors.Is(err, broker.ErrFenced) {
		t.Errorf("commit of another's partition: %v, want %v", err, broker.ErrFenced)
	}
}

func TestCommittedOffsetsOfANewGroupAreAbsent(t *testing.T) {
	k := kafkatest.Start(t)
	c := open(t, k)
	tp := broker.TopicPartition{Topic: k.Topic(t, "none", 1)}
	got, err := c.CommittedOffsets(within(t), k.Name("group"), tp)
	if err != nil || len(got) != 0 {
		t.Errorf("got %v, %v, want nothing", got, err)
	}
}

func TestPollReturnsWhenTheGroupIsLeft(t *testing.T) {
	k := kafkatest.Start(t)
	c := open(t, k)
	m := newMember(t, k, c, k.Name("group"), k.Topic(t, "leave", 1))
	m.until(broker.Assigned, 1)
	polled := make(chan error)
	go func() {
		_, err := m.Poll(context.Background(), time.Hour)
		polled <- err
	}()
	begun := time.Now()
	if err := m.Leave(within(t)); err != nil {
		t.Error(err)
	}
	if err := <-polled; err != nil {
		t.Error(err)
	}
	if took := time.Since(begun); took > 400*time.Millisecond && !k.Real() {
		t.Errorf("leaving took %s", took)
	}
}

func TestAGroupOfUnknownTopicsFails(t *testing.T) {
	k := kafkatest.Start(t)
	m := newMember(t, k, open(t, k), k.Name("group"), k.Name("nowhere"))
	ctx := within(t)
	for {
		if _, err := m.Poll(ctx, time.Second); err != nil {
			if !errors.Is(err, broker.ErrUnknownTopic) {
				t.Errorf("got %v, want %v", err, broker.ErrUnknownTopic)
			}
			return
		}
	}
}
