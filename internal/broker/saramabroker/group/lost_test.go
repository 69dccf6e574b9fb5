package group_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/brokertest"
	membership "github.com/weirstreams/weir/internal/broker/saramabroker/group"
)

func TestADeadMemberIsTakenOverFrom(t *testing.T) {
	k, c := brokertest.Start(t)
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
	k, c := brokertest.Start(t)
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
	k, c := brokertest.Start(t)
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
	k, c := brokertest.StartFake(t, "answers heartbeats with errors, which takes kfake")
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
