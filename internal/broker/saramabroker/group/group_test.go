package group_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/brokertest"
	membership "github.com/weirstreams/weir/internal/broker/saramabroker/group"
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

func TestMembersShareThePartitionsOfAllTopics(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t)
	c := brokertest.Open(t, k)
	group, a, b := k.Name("group"), k.Topic(t, "a", 4), k.Topic(t, "b", 4)

	first := newMember(t, k, c, group, a, b)
	had := first.until(broker.Assigned, 8)
	second := newMember(t, k, c, group, a, b)
	var mine, other []broker.TopicPartition
	await(
		func() {
			event := first.next()
			if event.Kind != broker.Revoked || len(event.Partitions) != 4 {
				t.Errorf("the member got %s %v, want half of the partitions revoked", event.Kind, event.Partitions)
			}
			mine = without(had, event.Partitions)
			event.Done()
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

	if err := second.Leave(brokertest.Within(t)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(other, first.until(broker.Assigned, 4)); diff != "" {
		t.Error(diff)
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

func TestAMemberMayGetNothing(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t)
	c := brokertest.Open(t, k)
	group, topic := k.Name("group"), k.Topic(t, "one", 1)
	first := newMember(t, k, c, group, topic)
	first.until(broker.Assigned, 1)
	second := newMember(t, k, c, group, topic)
	second.joined()
	first.quiet()
	second.quiet()
	if err := first.Leave(brokertest.Within(t)); err != nil {
		t.Fatal(err)
	}
	second.until(broker.Assigned, 1)
}

func TestARebalanceWaitsForDone(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t)
	c := brokertest.Open(t, k)
	group, topic := k.Name("group"), k.Topic(t, "done", 2)
	first := newMember(t, k, c, group, topic)
	first.until(broker.Assigned, 2)
	second := newMember(t, k, c, group, topic)
	if event, err := second.Poll(brokertest.Within(t), 0); event != nil || err != nil {
		t.Fatal(event, err)
	}
	revoked := first.next()
	if revoked.Kind != broker.Revoked || len(revoked.Partitions) != 1 {
		t.Fatalf("got %s %v, want one revoked", revoked.Kind, revoked.Partitions)
	}
	// The member is still one, and its partitions are its own.
	offsets := map[broker.TopicPartition]int64{{Topic: topic, Partition: 0}: 7, {Topic: topic, Partition: 1}: 9}
	noted := broker.TopicPartition{Topic: topic}
	if err := first.Commit(brokertest.Within(t), offsets, map[broker.TopicPartition]string{noted: "a note"}); err != nil {
		t.Fatalf("commit before Done: %v", err)
	}
	for _, m := range []member{first, second} {
		if event, err := m.Poll(brokertest.Within(t), 200*time.Millisecond); event != nil || err != nil {
			t.Fatalf("got %v, %v before Done", event, err)
		}
	}
	revoked.Done()
	if err := first.Commit(brokertest.Within(t), offsets, nil); !errors.Is(err, weir.ErrFenced) {
		t.Errorf("commit after Done: %v, want %v", err, weir.ErrFenced)
	}
	if diff := cmp.Diff(revoked.Partitions, second.until(broker.Assigned, 1)); diff != "" {
		t.Error(diff)
	}
	first.quiet()
	got, err := c.CommittedOffsets(brokertest.Within(t), group, broker.TopicPartition{Topic: topic, Partition: 0}, broker.TopicPartition{Topic: topic, Partition: 1})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(offsets, got); diff != "" {
		t.Error(diff)
	}
	commits, err := c.Commits(brokertest.Within(t), group, noted)
	if err != nil || commits[noted].Metadata != "a note" {
		t.Errorf("commits %v, error %v, want the metadata", commits, err)
	}
}

func TestACommitOfPartitionsOfAnotherMemberIsFenced(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t)
	c := brokertest.Open(t, k)
	group, topic := k.Name("group"), k.Topic(t, "fenced", 2)
	first := newMember(t, k, c, group, topic)
	if err := first.Commit(brokertest.Within(t), map[broker.TopicPartition]int64{{Topic: topic}: 1}, nil); !errors.Is(err, weir.ErrFenced) {
		t.Errorf("commit before joining: %v, want %v", err, weir.ErrFenced)
	}
	had := first.until(broker.Assigned, 2)
	second := newMember(t, k, c, group, topic)
	var others []broker.TopicPartition
	await(
		func() { first.until(broker.Revoked, 1) },
		func() { others = second.until(broker.Assigned, 1) },
	)
	if err := first.Commit(brokertest.Within(t), map[broker.TopicPartition]int64{without(had, others)[0]: 3}, nil); err != nil {
		t.Error(err)
	}
	if err := first.Commit(brokertest.Within(t), map[broker.TopicPartition]int64{others[0]: 3}, nil); !errors.Is(err, weir.ErrFenced) {
		t.Errorf("commit of another's partition: %v, want %v", err, weir.ErrFenced)
	}
}

func TestCommittedOffsetsOfANewGroupAreAbsent(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t)
	c := brokertest.Open(t, k)
	tp := broker.TopicPartition{Topic: k.Topic(t, "none", 1)}
	got, err := c.CommittedOffsets(brokertest.Within(t), k.Name("group"), tp)
	if err != nil || len(got) != 0 {
		t.Errorf("got %v, %v, want nothing", got, err)
	}
}

func TestPollReturnsWhenTheGroupIsLeft(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t)
	c := brokertest.Open(t, k)
	m := newMember(t, k, c, k.Name("group"), k.Topic(t, "leave", 1))
	m.until(broker.Assigned, 1)
	polled := make(chan error)
	go func() {
		_, err := m.Poll(context.Background(), time.Hour)
		polled <- err
	}()
	begun := time.Now()
	if err := m.Leave(brokertest.Within(t)); err != nil {
		t.Error(err)
	}
	if err := <-polled; err != nil {
		t.Error(err)
	}
	if took := time.Since(begun); took > 2*time.Second && !k.Real() {
		t.Errorf("leaving took %s", took)
	}
}

func TestAGroupOfUnknownTopicsFails(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t)
	m := newMember(t, k, brokertest.Open(t, k), k.Name("group"), k.Name("nowhere"))
	ctx := brokertest.Within(t)
	for {
		if _, err := m.Poll(ctx, time.Second); err != nil {
			if !errors.Is(err, weir.ErrUnknownTopic) {
				t.Errorf("got %v, want %v", err, weir.ErrUnknownTopic)
			}
			return
		}
	}
}

func TestADeadMemberIsTakenOverFrom(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t)
	c := brokertest.Open(t, k)
	group, topic := k.Name("group"), k.Topic(t, "dead", 2)
	first := newMember(t, k, c, group, topic)
	first.until(broker.Assigned, 2)
	second := newMember(t, k, c, group, topic)
	await(
		func() { first.until(broker.Revoked, 1) },
		func() { second.until(broker.Assigned, 1) },
	)
	membership.Kill(first.Group)
	second.until(broker.Assigned, 1)
	if err := first.Commit(brokertest.Within(t), map[broker.TopicPartition]int64{{Topic: topic}: 1}, nil); err == nil {
		t.Error("the dead commit")
	}
}

func TestAMemberThatDoesNotGiveUpItsPartitionsIsFenced(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t)
	c := brokertest.Open(t, k)
	cfg := broker.GroupConfig{Group: k.Name("group"), Topics: [][]string{{k.Topic(t, "slow", 2)}}, RebalanceTimeout: 3 * time.Second}
	first := newMemberOf(t, k, c, cfg)
	had := first.until(broker.Assigned, 2)
	second := newMemberOf(t, k, c, cfg)
	if _, err := second.Poll(brokertest.Within(t), 0); err != nil {
		t.Fatal(err)
	}
	revoked := first.next()
	if revoked.Kind != broker.Revoked {
		t.Fatalf("got %s, want revoked", revoked.Kind)
	}
	second.until(broker.Assigned, 1) // which does not wait for the first for ever
	if err := first.Commit(brokertest.Within(t), map[broker.TopicPartition]int64{revoked.Partitions[0]: 1}, nil); !errors.Is(err, weir.ErrFenced) {
		t.Errorf("got %v, want %v", err, weir.ErrFenced)
	}
	if err := first.Commit(brokertest.Within(t), map[broker.TopicPartition]int64{without(had, revoked.Partitions)[0]: 1}, nil); err != nil {
		t.Error(err)
	}
	revoked.Done()
	first.quiet()
}

func TestPartitionsThatWentUnnoticedAreLost(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t)
	c := brokertest.Open(t, k)
	cfg := broker.GroupConfig{Group: k.Name("group"), Topics: [][]string{{k.Topic(t, "asleep", 2)}}, RebalanceTimeout: 3 * time.Second}
	first := newMemberOf(t, k, c, cfg)
	first.until(broker.Assigned, 2)
	second := newMemberOf(t, k, c, cfg)
	taken := second.until(broker.Assigned, 1) // while nobody polls the first
	lost := first.next()
	lost.Done()
	if diff := cmp.Diff(taken, lost.Partitions); diff != "" || lost.Kind != broker.Lost {
		t.Errorf("%s: %s", lost.Kind, diff)
	}
	first.quiet()
}

func TestAMemberThatTheGroupForgotLosesItsPartitions(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t)
	if k.Real() {
		t.Skip("answers heartbeats with errors, which takes kfake")
	}
	c := brokertest.Open(t, k)
	m := newMember(t, k, c, k.Name("group"), k.Topic(t, "forgot", 2))
	m.until(broker.Assigned, 2)
	for _, code := range []int16{kerr.UnknownMemberID.Code, kerr.IllegalGeneration.Code} {
		k.Cluster().ControlKey(int16(kmsg.Heartbeat), func(r kmsg.Request) (kmsg.Response, error, bool) {
			response := r.ResponseKind().(*kmsg.HeartbeatResponse)
			response.ErrorCode = code
			return response, nil, true
		})
		lost := m.next()
		if lost.Kind != broker.Lost || len(lost.Partitions) != 2 {
			t.Errorf("got %s %v, want both partitions lost", lost.Kind, lost.Partitions)
		}
		if err := m.Commit(brokertest.Within(t), map[broker.TopicPartition]int64{lost.Partitions[0]: 1}, nil); !errors.Is(err, weir.ErrFenced) {
			t.Errorf("got %v, want %v", err, weir.ErrFenced)
		}
		lost.Done()
		m.until(broker.Assigned, 2)
	}
}

func TestCommitTriesAgainWhatMayPass(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t)
	if k.Real() {
		t.Skip("answers commits with errors, which takes kfake")
	}
	c := brokertest.Open(t, k)
	group := k.Name("group")
	m := newMember(t, k, c, group, k.Topic(t, "again", 1))
	tp := m.until(broker.Assigned, 1)[0]
	for i, code := range []int16{
		0, kerr.NotCoordinator.Code, kerr.RebalanceInProgress.Code, kerr.IllegalGeneration.Code, kerr.CoordinatorLoadInProgress.Code, kerr.UnknownMemberID.Code,
		kerr.GroupAuthorizationFailed.Code,
	} {
		calls := 0
		k.Cluster().ControlKey(int16(kmsg.OffsetCommit), func(r kmsg.Request) (kmsg.Response, error, bool) {
			if calls++; code == 0 {
				return nil, errors.New("dropped"), true
			}
			request, response := r.(*kmsg.OffsetCommitRequest), r.ResponseKind().(*kmsg.OffsetCommitResponse)
			for _, topic := range request.Topics {
				rt := kmsg.OffsetCommitResponseTopic{Topic: topic.Topic}
				for _, p := range topic.Partitions {
					rt.Partitions = append(rt.Partitions, kmsg.OffsetCommitResponseTopicPartition{Partition: p.Partition, ErrorCode: code})
				}
				response.Topics = append(response.Topics, rt)
			}
			return response, nil, true
		})
		var want error
		switch code {
		case kerr.UnknownMemberID.Code:
			want = weir.ErrFenced
		case kerr.GroupAuthorizationFailed.Code:
			want = weir.ErrUnauthorized
		}
		if err := m.Commit(brokertest.Within(t), map[broker.TopicPartition]int64{tp: int64(i + 1)}, nil); !errors.Is(err, want) {
			t.Errorf("code %d: got %v, want %v", code, err, want)
		}
		if want != nil {
			continue
		}
		if got, err := c.CommittedOffsets(brokertest.Within(t), group, tp); err != nil || got[tp] != int64(i+1) {
			t.Errorf("code %d: got %v, %v, want %d", code, got, err, i+1)
		}
	}
}

func TestCommittedOffsetsWaitForTransactions(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t)
	if k.Real() {
		t.Skip("answers requests with errors, which takes kfake")
	}
	c := brokertest.Open(t, k)
	group := k.Name("group")
	m := newMember(t, k, c, group, k.Topic(t, "unstable", 1))
	tp := m.until(broker.Assigned, 1)[0]
	if err := m.Commit(brokertest.Within(t), map[broker.TopicPartition]int64{tp: 5}, nil); err != nil {
		t.Fatal(err)
	}
	unstable := 3
	k.Cluster().ControlKey(int16(kmsg.OffsetFetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		request, response := r.(*kmsg.OffsetFetchRequest), r.ResponseKind().(*kmsg.OffsetFetchResponse)
		if !request.RequireStable {
			t.Error("offsets are asked for that may still change")
		}
		if unstable--; unstable == 0 {
			k.Cluster().DropControl()
			return nil, nil, false
		}
		k.Cluster().KeepControl()
		response.Groups = []kmsg.OffsetFetchResponseGroup{{
			Group: group,
			Topics: []kmsg.OffsetFetchResponseGroupTopic{{Topic: tp.Topic, Partitions: []kmsg.OffsetFetchResponseGroupTopicPartition{
				{Partition: 0, Offset: -1, ErrorCode: kerr.UnstableOffsetCommit.Code},
			}}},
		}}
		return response, nil, true
	})
	if got, err := c.CommittedOffsets(brokertest.Within(t), group, tp); err != nil || got[tp] != 5 {
		t.Errorf("got %v, %v, want 5", got, err)
	}
}

func TestNewPartitionsAreAssigned(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t)
	c := openWatchful(t, k)
	topic := k.Topic(t, "grow", 1)
	cfg := broker.GroupConfig{Group: k.Name("group"), Topics: [][]string{{topic}}, InstanceID: "one", RebalanceTimeout: 20 * time.Second}
	one := newMemberOf(t, k, c, cfg)
	one.until(broker.Assigned, 1)
	cfg.InstanceID = "two"
	two := newMemberOf(t, k, c, cfg)
	two.joined()
	// The one that assigns restarts, after which it does not know that it does.
	if err := one.Leave(brokertest.Within(t)); err != nil {
		t.Fatal(err)
	}
	cfg.InstanceID = "one"
	one = newMemberOf(t, k, c, cfg)
	k.Grow(t, topic, 4)
	await(
		func() { one.grow(2) },
		func() { two.grow(2) },
	)
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

func TestAStaticMemberKeepsItsPartitions(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t)
	c := brokertest.Open(t, k)
	group, topic := k.Name("group"), k.Topic(t, "static", 2)
	static := func(instance string) member {
		return newMemberOf(t, k, c, broker.GroupConfig{Group: group, Topics: [][]string{{topic}}, InstanceID: instance, RebalanceTimeout: 20 * time.Second})
	}
	one, two := static("one"), static("two")
	had := one.until(broker.Assigned, 2)
	await(
		func() { had = without(had, one.until(broker.Revoked, 1)) },
		func() { two.until(broker.Assigned, 1) },
	)
	generation := two.Member().Generation
	if err := one.Leave(brokertest.Within(t)); err != nil {
		t.Fatal(err)
	}
	again := static("one")
	event := again.next()
	event.Done()
	if diff := cmp.Diff(had, event.Partitions); diff != "" || event.Kind != broker.Assigned {
		t.Errorf("%s: %s", event.Kind, diff)
	}
	two.quiet()
	if now := again.Member().Generation; now != generation && k.Real() { // kfake assigns anew
		t.Errorf("the generation went from %d to %d", generation, brokertest.Now)
	}
	if err := again.Commit(brokertest.Within(t), map[broker.TopicPartition]int64{had[0]: 2}, nil); err != nil {
		t.Error(err)
	}
	// Another process with the same identity fences this one.
	twin := static("one")
	twin.until(broker.Assigned, 1)
	ctx := brokertest.Within(t)
	for {
		event, err := again.Poll(ctx, time.Second)
		if event != nil {
			if event.Kind != broker.Lost {
				t.Errorf("got %s, want lost", event.Kind)
			}
			event.Done()
		}
		if err != nil {
			if !errors.Is(err, weir.ErrFenced) {
				t.Errorf("got %v, want %v", err, weir.ErrFenced)
			}
			break
		}
	}
}

func TestAMemberThatIsStillJoiningLeaves(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t)
	c := brokertest.Open(t, k)
	group, topic := k.Name("group"), k.Topic(t, "joining", 2)
	first := newMember(t, k, c, group, topic)
	first.until(broker.Assigned, 2)
	second := newMember(t, k, c, group, topic)
	second.joined()
	revoked := first.next() // so that the first does not join again until Done
	third := newMember(t, k, c, group, topic)
	if event, err := third.Poll(brokertest.Within(t), 200*time.Millisecond); event != nil || err != nil {
		t.Fatal(event, err)
	}
	begun := time.Now()
	if err := third.Leave(brokertest.Within(t)); err != nil {
		t.Error(err)
	}
	if took := time.Since(begun); took > 3*time.Second {
		t.Errorf("leaving took %s", took)
	}
	if third.Member().MemberID != "" {
		t.Error("the member did not have to wait")
	}
	revoked.Done()
	if diff := cmp.Diff(revoked.Partitions, second.until(broker.Assigned, 1)); diff != "" || revoked.Kind != broker.Revoked {
		t.Errorf("%s: %s", revoked.Kind, diff)
	}
	first.quiet()
}

func TestLeavingDoesNotWaitForDone(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t)
	c := brokertest.Open(t, k)
	m := newMember(t, k, c, k.Name("group"), k.Topic(t, "undone", 1))
	assigned := m.next()
	if err := m.Leave(brokertest.Within(t)); err != nil {
		t.Error(err)
	}
	assigned.Done()
	if err := m.Leave(brokertest.Within(t)); err != nil {
		t.Error("leaving twice:", err)
	}
	unused := newMember(t, k, c, k.Name("group"), k.Topic(t, "unused", 1))
	if err := unused.Leave(brokertest.Within(t)); err != nil {
		t.Error("leaving without having joined:", err)
	}
}

func TestAMemberOutlastsACoordinatorThatIsGoneForAMoment(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t)
	if k.Real() {
		t.Skip("drops connections, which takes kfake")
	}
	c := brokertest.Open(t, k)
	m := newMember(t, k, c, k.Name("group"), k.Topic(t, "moment", 1))
	tp := m.until(broker.Assigned, 1)[0]
	drops, over := 0, make(chan struct{})
	k.Cluster().ControlKey(int16(kmsg.Heartbeat), func(kmsg.Request) (kmsg.Response, error, bool) {
		if drops++; drops < 8 {
			k.Cluster().KeepControl()
		} else {
			k.Cluster().DropControl()
			close(over)
		}
		return nil, errors.New("dropped"), true
	})
	<-over
	if event, err := m.Poll(brokertest.Within(t), 200*time.Millisecond); event != nil || err != nil {
		t.Errorf("got %v, %v", event, err)
	}
	if err := m.Commit(brokertest.Within(t), map[broker.TopicPartition]int64{tp: 1}, nil); err != nil {
		t.Error(err)
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
