package group_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/brokertest"
	"github.com/weirstreams/weir/internal/kafkatest"
)

func TestMembersShareThePartitionsOfAllTopics(t *testing.T) {
	k, c := brokertest.Start(t)
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

func TestAMemberMayGetNothing(t *testing.T) {
	k, c := brokertest.Start(t)
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
	k, c := brokertest.Start(t)
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
	if err := first.Commit(brokertest.Within(t), offsets, broker.CommitDetails{noted: {LeaderEpoch: 5, Metadata: "a note"}}); err != nil {
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
	if want := (broker.CommitDetail{LeaderEpoch: 5, Metadata: "a note"}); err != nil || commits[noted].CommitDetail != want {
		t.Errorf("commits %v, error %v, want %v", commits, err, want)
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

func TestAStaticMemberKeepsItsPartitions(t *testing.T) {
	k, c := brokertest.Start(t)
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

func TestAMemberOutlastsACoordinatorThatIsGoneForAMoment(t *testing.T) {
	k, c := brokertest.StartFake(t, "drops connections, which takes kfake")
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
