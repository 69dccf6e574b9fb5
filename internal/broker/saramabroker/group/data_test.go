package group_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/brokertest"
	"github.com/weirstreams/weir/internal/kafkatest"
)

// Partitions are added while the only member is down. It gets the old assignment when it comes back, as its membership is
// static, and notices that this was made for fewer partitions.
func TestPartitionsThatWereAddedWhileAStaticMemberWasDownAreAssigned(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t)
	c := openWatchful(t, k)
	topic := k.Topic(t, "grow", 1)
	cfg := broker.GroupConfig{Group: k.Name("group"), Topics: [][]string{{topic}}, InstanceID: "one", RebalanceTimeout: 20 * time.Second}
	one := newMemberOf(t, k, c, cfg)
	one.until(broker.Assigned, 1)
	former := one.Member()
	if err := one.Leave(brokertest.Within(t)); err != nil {
		t.Fatal(err)
	}
	k.Grow(t, topic, 3)
	var answered *atomic.Bool
	if !k.Real() { // a coordinator of Kafka does that by itself
		answered = answerRestart(k, former)
	}
	one = newMemberOf(t, k, c, cfg)
	one.grow(3)
	if answered != nil && !answered.Load() {
		t.Error("the member was not joined as one that restarted")
	}
}

// answerRestart answers the next join as a coordinator of Kafka does that of a static member that has restarted: with its membership,
// and without a rebalance.
func answerRestart(k *kafkatest.Kafka, former broker.GroupMember) (answered *atomic.Bool) {
	answered = &atomic.Bool{}
	k.Cluster().ControlKey(int16(kmsg.JoinGroup), func(r kmsg.Request) (kmsg.Response, error, bool) {
		request := r.(*kmsg.JoinGroupRequest)
		response := request.ResponseKind().(*kmsg.JoinGroupResponse)
		response.MemberID, response.LeaderID, response.Generation = former.MemberID, former.MemberID, former.Generation
		response.ProtocolType, response.Protocol = &request.ProtocolType, &request.Protocols[0].Name
		response.SkipAssignment = true
		if request.Version < 9 {
			response.LeaderID = "another"
		}
		answered.Store(true)
		return response, nil, true
	})
	return answered
}

// lockedBuffer is a log that is written and read at the same time.
type lockedBuffer struct {
	mu sync.Mutex // guards text
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *lockedBuffer) contains(text string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Contains(b.String(), text)
}

// Every member says that topologies differ, and that they do no more.
func TestMembersWithDifferentTopologiesAreNoticed(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t)
	group, topic := k.Name("group"), k.Topic(t, "topic", 2)
	join := func(fingerprint string) (member, *lockedBuffer) {
		log := &lockedBuffer{}
		c, err := saramabroker.Open(t.Context(), saramabroker.Config{Brokers: k.Brokers, Logger: slog.New(slog.NewTextHandler(log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return newMemberOf(t, k, c, broker.GroupConfig{
			Group: group, Topics: [][]string{{topic}}, Fingerprint: fingerprint, RebalanceTimeout: 20 * time.Second,
		}), log
	}
	old, oldLog := join("old")
	old.until(broker.Assigned, 2)
	const differ, same = "run different topologies", "all members of the group run the same topology"
	if oldLog.contains(differ) {
		t.Error("one member is said to differ from itself")
	}
	now, nowLog := join("new")
	await(
		func() { old.until(broker.Revoked, 1) },
		func() { now.until(broker.Assigned, 1) },
	)
	if !oldLog.contains(differ) || !nowLog.contains(differ) || !nowLog.contains("fingerprints=\"[new old]\"") {
		t.Errorf("the members do not say that their topologies differ:\n%s\n%s", oldLog.String(), nowLog.String())
	}
	if err := old.Leave(brokertest.Within(t)); err != nil {
		t.Fatal(err)
	}
	now.until(broker.Assigned, 1)
	if !nowLog.contains(same) {
		t.Errorf("the member that is left does not say that all are the same:\n%s", nowLog.String())
	}
}
