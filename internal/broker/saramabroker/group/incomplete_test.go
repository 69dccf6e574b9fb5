package group_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/brokertest"
	"github.com/weirstreams/weir/internal/kafkatest"
)

// answerOnce answers one join of a member as a coordinator does that joins a restarted static member: with the generation
// that there is, without a rebalance. kfake does so only if the subscription is the same as before, a coordinator of Kafka
// always.
func answerOnce(k *kafkatest.Kafka, m broker.GroupMember) (answered *atomic.Bool) {
	answered = &atomic.Bool{}
	k.Cluster().ControlKey(int16(kmsg.JoinGroup), func(r kmsg.Request) (kmsg.Response, error, bool) {
		request := r.(*kmsg.JoinGroupRequest)
		if request.MemberID != m.MemberID {
			return nil, nil, false
		}
		response := request.ResponseKind().(*kmsg.JoinGroupResponse)
		response.MemberID, response.LeaderID, response.Generation = m.MemberID, "another", m.Generation
		response.ProtocolType, response.Protocol = &request.ProtocolType, &request.Protocols[0].Name
		answered.Store(true)
		return response, nil, true
	})
	return answered
}

func TestWhatAMemberForgotToGiveUpIsAssignedAfterTheRebalanceTimeout(t *testing.T) {
	k, c := brokertest.StartFake(t, "answers a join, which takes kfake")
	cfg := broker.GroupConfig{
		Group: k.Name("group"), Topics: [][]string{{k.Topic(t, "topic", 2)}}, RebalanceTimeout: 5 * time.Second,
	}
	first := newMemberOf(t, k, c, cfg)
	first.until(broker.Assigned, 2)
	second := newMemberOf(t, k, c, cfg)
	var revoked, got []broker.TopicPartition
	var answered *atomic.Bool
	have := make(chan struct{})
	await(
		func() {
			event := first.next()
			if revoked = event.Partitions; event.Kind != broker.Revoked || len(revoked) != 1 {
				t.Errorf("the member got %s %v, want one partition revoked", event.Kind, revoked)
			}
			answered = answerOnce(k, first.Member())
			event.Done()
			first.quietUntil(have)
		},
		func() {
			defer close(have)
			got = second.until(broker.Assigned, 1)
		},
	)
	if !answered.Load() {
		t.Error("the member that gave up a partition has not joined as one that restarted")
	}
	if diff := cmp.Diff(revoked, got); diff != "" {
		t.Error(diff)
	}
}

// quietUntil polls a member until done is closed, and fails the test if there is an event.
func (m member) quietUntil(done <-chan struct{}) {
	m.t.Helper()
	ctx := brokertest.Within(m.t)
	for {
		select {
		case <-done:
			return
		default:
		}
		event, err := m.Poll(ctx, 50*time.Millisecond)
		if event != nil || err != nil {
			m.t.Errorf("got %v, %v, want nothing", event, err)
			return
		}
	}
}

// A static member dies while it gives up a partition. When it comes back it has nothing to give up, and what it had is assigned to
// the other one soon: not after the rebalance timeout.
func TestAStaticMemberThatDiedWhileItGaveUpAPartitionLetsItGo(t *testing.T) {
	k, c := brokertest.Start(t)
	topic := k.Topic(t, "topic", 2)
	cfg := broker.GroupConfig{Group: k.Name("group"), Topics: [][]string{{topic}}, InstanceID: "one", RebalanceTimeout: 5 * time.Minute}
	one := newMemberOf(t, k, c, cfg)
	one.until(broker.Assigned, 2)
	cfg.InstanceID = "two"
	two := newMemberOf(t, k, c, cfg)
	var event *broker.GroupEvent
	await(func() { event = one.next() }, two.joined)
	if event.Kind != broker.Revoked || len(event.Partitions) != 1 {
		t.Fatalf("the member got %s %v, want one partition revoked", event.Kind, event.Partitions)
	}
	former := one.Member()
	former.Generation = two.Member().Generation
	if err := one.Leave(brokertest.Within(t)); err != nil {
		t.Fatal(err)
	}
	var answered *atomic.Bool
	if !k.Real() { // a coordinator of Kafka does that by itself
		answered = answerRestart(k, former)
	}
	cfg.InstanceID = "one"
	one = newMemberOf(t, k, c, cfg)
	have := make(chan struct{})
	await(
		func() {
			one.until(broker.Assigned, 1)
			one.quietUntil(have)
		},
		func() {
			defer close(have)
			if got := two.until(broker.Assigned, 1); cmp.Diff(event.Partitions, got) != "" {
				t.Errorf("got %v, want %v", got, event.Partitions)
			}
		},
	)
	if answered != nil && !answered.Load() {
		t.Error("the member was not joined as one that restarted")
	}
}
