package group_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/brokertest"
)

func TestPollReturnsWhenTheGroupIsLeft(t *testing.T) {
	k, c := brokertest.Start(t)
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

func TestAMemberThatIsStillJoiningLeaves(t *testing.T) {
	k, c := brokertest.Start(t)
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
	k, c := brokertest.Start(t)
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
