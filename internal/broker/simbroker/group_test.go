package simbroker_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/simbroker"
)

func newMember(t *testing.T, b *simbroker.Broker, cfg broker.GroupConfig) broker.Group {
	t.Helper()
	g, err := b.NewGroup(cfg)
	check(t, err)
	return g
}

func member(t *testing.T, b *simbroker.Broker, topics ...string) broker.Group {
	t.Helper()
	return newMember(t, b, broker.GroupConfig{
		Group: "g", Topics: [][]string{topics}, SessionTimeout: 10 * time.Second, RebalanceTimeout: time.Minute,
	})
}

// expect polls once and wants an event written as "kind topic[partition] ...", or "" for none.
func expect(t *testing.T, g broker.Group, want string) *broker.GroupEvent {
	t.Helper()
	event, err := g.Poll(t.Context(), time.Hour)
	check(t, err)
	got := ""
	if event != nil {
		words := []string{event.Kind.String()}
		for _, tp := range event.Partitions {
			words = append(words, tp.String())
		}
		got = strings.Join(words, " ")
	}
	if got != want {
		t.Fatalf("event is %q, want %q", got, want)
	}
	return event
}

func fenced(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, weir.ErrFenced) {
		t.Fatalf("error is %v, want ErrFenced", err)
	}
}

func at(topic string, partition int32, offset int64) map[broker.TopicPartition]int64 {
	return map[broker.TopicPartition]int64{tp(topic, partition): offset}
}

func TestEqualNumbersOfAUnitGoToTheSameMember(t *testing.T) {
	b, _ := newBroker(t, map[string]int32{"a": 4, "b": 3})
	one, two := member(t, b, "b", "a"), member(t, b, "a", "b")
	expect(t, one, "assigned a[0] a[1] a[2] a[3] b[0] b[1] b[2]").Done()
	expect(t, two, "")
	expect(t, one, "revoked a[2] a[3] b[2]").Done()
	expect(t, two, "assigned a[2] a[3] b[2]").Done()
	expect(t, one, "")
	expect(t, two, "")
}

func TestUnitsAreSpreadApart(t *testing.T) {
	b, _ := newBroker(t, map[string]int32{"a": 2, "b": 2})
	apart := func() broker.Group {
		return newMember(t, b, broker.GroupConfig{Group: "g", Topics: [][]string{{"a"}, {"b"}}})
	}
	one, two := apart(), apart()
	expect(t, one, "assigned a[0] a[1] b[0] b[1]").Done()
	expect(t, two, "")
	expect(t, one, "revoked a[1] b[1]").Done()
	expect(t, two, "assigned a[1] b[1]").Done()
}

func TestPartitionsThatStayAreInNoEvent(t *testing.T) {
	b, _ := newBroker(t, map[string]int32{"a": 4})
	one, two, three := member(t, b, "a"), member(t, b, "a"), member(t, b, "a")
	expect(t, one, "assigned a[0] a[1] a[2] a[3]").Done()
	expect(t, two, "")
	revoked := expect(t, one, "revoked a[2] a[3]")
	expect(t, two, "") // not before the other has given it up
	check(t, one.Commit(t.Context(), at("a", 0, 1), nil))
	check(t, one.Commit(t.Context(), at("a", 2, 1), nil))
	revoked.Done()
	check(t, one.Commit(t.Context(), at("a", 0, 2), nil))
	expect(t, two, "assigned a[2] a[3]").Done()
	expect(t, one, "")

	check(t, two.Leave(t.Context()))
	check(t, one.Commit(t.Context(), at("a", 0, 3), nil))
	expect(t, one, "assigned a[2] a[3]").Done()
	expect(t, three, "")
	expect(t, one, "revoked a[2] a[3]").Done()
	expect(t, three, "assigned a[2] a[3]").Done()
}

func TestStateAttractsPartitions(t *testing.T) {
	b, _ := newBroker(t, map[string]int32{"a": 4})
	one := member(t, b, "a")
	two := newMember(t, b, broker.GroupConfig{Group: "g", Topics: [][]string{{"a"}}, Warm: func() []broker.TopicPartition {
		return []broker.TopicPartition{tp("a", 0), tp("a", 3)}
	}})
	expect(t, one, "assigned a[0] a[1] a[2] a[3]").Done()
	expect(t, two, "")
	expect(t, one, "revoked a[0] a[3]").Done()
	expect(t, two, "assigned a[0] a[3]").Done()
}

func TestWorkGoesOnWhileTheGenerationMoves(t *testing.T) {
	b, _ := newBroker(t, map[string]int32{"a": 2})
	one, two := member(t, b, "a"), member(t, b, "a")
	expect(t, one, "assigned a[0] a[1]").Done()
	equal(t, "member", one.Member(), broker.GroupMember{Group: "g", MemberID: "member-000001", Generation: 1})
	equal(t, "a member that has not joined", two.Member(), broker.GroupMember{Group: "g"})
	expect(t, two, "")
	equal(t, "generation before it took part", one.Member().Generation, int32(1))
	check(t, one.Commit(t.Context(), at("a", 0, 1), nil))
	revoked := expect(t, one, "revoked a[1]")
	equal(t, "generation while it gives up", one.Member().Generation, int32(2))
	check(t, one.Commit(t.Context(), at("a", 1, 1), nil))
	revoked.Done()
	equal(t, "generation when it took part", one.Member().Generation, int32(2))
	expect(t, two, "assigned a[1]")
	equal(t, "generation of which it was not told", one.Member().Generation, int32(3))
	b.SlowGroups = true
	equal(t, "generation that it was told", one.Member().Generation, int32(2))
	check(t, one.Commit(t.Context(), at("a", 0, 2), nil))
	expect(t, one, "")
	equal(t, "generation after a poll", one.Member().Generation, int32(3))
}

func TestAMemberWithoutPartitionsSeesNoEvents(t *testing.T) {
	b, _ := newBroker(t, map[string]int32{"a": 1})
	one, two := member(t, b, "a"), member(t, b, "a")
	expect(t, one, "assigned a[0]").Done()
	expect(t, two, "")
	expect(t, one, "")
	expect(t, two, "")
	check(t, one.Leave(t.Context()))
	expect(t, two, "assigned a[0]").Done()
}

func TestATopicCreatedLaterIsAssigned(t *testing.T) {
	b, _ := newBroker(t, map[string]int32{"a": 1})
	one := member(t, b, "a", "late")
	expect(t, one, "assigned a[0]").Done()
	create(t, b, "unrelated", 1, nil)
	expect(t, one, "")
	create(t, b, "late", 2, nil)
	expect(t, one, "assigned late[0] late[1]").Done()
}

func TestOffsetsCanBeCommittedUntilDone(t *testing.T) {
	b, _ := newBroker(t, map[string]int32{"a": 2})
	one := member(t, b, "a")
	fenced(t, one.Commit(t.Context(), at("a", 1, 1), nil))
	assigned := expect(t, one, "assigned a[0] a[1]")
	check(t, one.Commit(t.Context(), at("a", 1, 1), nil))
	assigned.Done()

	two := member(t, b, "a")
	expect(t, two, "")
	check(t, one.Commit(t.Context(), at("a", 1, 2), nil))
	revoked := expect(t, one, "revoked a[1]")
	check(t, one.Commit(t.Context(), at("a", 1, 3), nil))
	revoked.Done()
	for _, g := range []broker.Group{one, two} {
		if err := g.Commit(t.Context(), at("a", 1, 4), nil); err == nil {
			t.Fatal("a partition that is on its way was committed")
		}
	}
	expect(t, two, "assigned a[1]").Done()
	if err := two.Commit(t.Context(), at("a", 0, 5), nil); err == nil || errors.Is(err, weir.ErrFenced) {
		t.Fatalf("commit of a partition of another member: %v", err)
	}
	if err := two.Commit(t.Context(), at("absent", 0, 5), nil); !errors.Is(err, weir.ErrUnknownTopic) {
		t.Fatalf("commit to an unknown topic: %v", err)
	}
	equal(t, "committed", b.Committed("g"), at("a", 1, 3))
	offsets, err := b.CommittedOffsets(t.Context(), "g", tp("a", 0), tp("a", 1))
	check(t, err)
	equal(t, "committed offsets", offsets, at("a", 1, 3))
	offsets, err = b.CommittedOffsets(t.Context(), "other", tp("a", 0))
	check(t, err)
	equal(t, "committed offsets of an unknown group", offsets, map[broker.TopicPartition]int64{})
}

func TestEventsWaitForDone(t *testing.T) {
	b, _ := newBroker(t, map[string]int32{"a": 2})
	one, two := member(t, b, "a"), member(t, b, "a")
	assigned := expect(t, one, "assigned a[0] a[1]")
	expect(t, two, "")
	expect(t, one, "")
	assigned.Done()
	mustPanic(t, "second Done", assigned.Done)
	revoked := expect(t, one, "revoked a[1]")
	expect(t, one, "")
	expect(t, two, "")
	revoked.Done()
	expect(t, two, "assigned a[1]").Done()
}

func TestAGroupThatDoesNotHearOfDoneHearsOfItLater(t *testing.T) {
	b, _ := newBroker(t, map[string]int32{"a": 2})
	one, two := member(t, b, "a"), member(t, b, "a")
	expect(t, one, "assigned a[0] a[1]").Done()
	expect(t, two, "")
	revoked := expect(t, one, "revoked a[1]")
	failOn(b, simbroker.OpDone, false)
	revoked.Done()
	expect(t, two, "")
	expect(t, one, "")
	expect(t, two, "assigned a[1]").Done()
}

func TestASilentMemberLosesItsPartitions(t *testing.T) {
	b, clock := newBroker(t, map[string]int32{"a": 2})
	one, two := member(t, b, "a"), member(t, b, "a")
	expect(t, one, "assigned a[0] a[1]").Done()
	expect(t, two, "")
	clock.Advance(10 * time.Second)
	expect(t, two, "")
	check(t, one.Commit(t.Context(), at("a", 0, 1), nil)) // just in time
	clock.Advance(10 * time.Second)
	expect(t, two, "")
	clock.Advance(time.Millisecond)
	expect(t, two, "assigned a[0] a[1]").Done()

	fenced(t, one.Commit(t.Context(), at("a", 0, 2), nil))
	lost := expect(t, one, "lost a[0] a[1]")
	expect(t, one, "")
	lost.Done()
	expect(t, one, "")
	expect(t, two, "revoked a[1]").Done()
	expect(t, one, "assigned a[1]").Done()
	equal(t, "committed", b.Committed("g"), at("a", 0, 1))
}

func TestAMemberThatDoesNotGiveUpIsExpelled(t *testing.T) {
	b, clock := newBroker(t, map[string]int32{"a": 2})
	one, two := member(t, b, "a"), member(t, b, "a")
	expect(t, one, "assigned a[0] a[1]").Done()
	expect(t, two, "")
	revoked := expect(t, one, "revoked a[1]")
	for range 11 {
		clock.Advance(5 * time.Second)
		expect(t, one, "") // alive, but busy
		expect(t, two, "")
	}
	check(t, one.Commit(t.Context(), at("a", 0, 1), nil))
	clock.Advance(5 * time.Second)
	expect(t, two, "assigned a[0] a[1]").Done()
	fenced(t, one.Commit(t.Context(), at("a", 0, 2), nil))
	revoked.Done()
	expect(t, one, "lost a[0]").Done()
	expect(t, one, "")
	expect(t, two, "revoked a[1]").Done()
	expect(t, one, "assigned a[1]").Done()
}

func TestAMemberThatDoesNotTakePartIsExpelled(t *testing.T) {
	b, clock := newBroker(t, map[string]int32{"a": 2})
	one, two := member(t, b, "a"), member(t, b, "a")
	assigned := expect(t, one, "assigned a[0] a[1]")
	expect(t, two, "")
	for range 12 {
		expect(t, one, "") // still busy with what it was assigned
		expect(t, two, "")
		clock.Advance(5 * time.Second)
	}
	expect(t, two, "assigned a[0] a[1]").Done()
	assigned.Done()
	expect(t, one, "lost a[0] a[1]").Done()
}

func TestAKilledMemberIsMissedOnlyAfterItsSession(t *testing.T) {
	b, clock := newBroker(t, map[string]int32{"a": 1})
	one, two := member(t, b, "a"), member(t, b, "a")
	event := expect(t, one, "assigned a[0]")
	expect(t, two, "")
	b.Kill(one)
	event.Done()
	if _, err := one.Poll(t.Context(), 0); err == nil {
		t.Fatal("a killed member polls")
	}
	if err := one.Commit(t.Context(), at("a", 0, 1), nil); err == nil {
		t.Fatal("a killed member commits")
	}
	for range 2 {
		clock.Advance(5 * time.Second)
		expect(t, two, "")
	}
	clock.Advance(time.Second)
	expect(t, two, "assigned a[0]").Done()
}

func TestLeavingHandsOverAtOnce(t *testing.T) {
	b, _ := newBroker(t, map[string]int32{"a": 1})
	one, two := member(t, b, "a"), member(t, b, "a")
	expect(t, one, "assigned a[0]").Done()
	expect(t, two, "")
	check(t, one.Leave(t.Context()))
	check(t, one.Leave(t.Context()))
	expect(t, two, "assigned a[0]").Done()
	expect(t, one, "")
	fenced(t, one.Commit(t.Context(), at("a", 0, 1), nil))
}

func TestAStaticMemberComesBackWithoutARebalance(t *testing.T) {
	b, clock := newBroker(t, map[string]int32{"a": 2})
	static := func(instance string) broker.Group {
		return newMember(t, b, broker.GroupConfig{Group: "g", Topics: [][]string{{"a"}}, InstanceID: instance, SessionTimeout: 10 * time.Second})
	}
	one, two := static("one"), static("two")
	expect(t, one, "assigned a[0] a[1]").Done()
	expect(t, two, "")
	expect(t, one, "revoked a[1]").Done()
	expect(t, two, "assigned a[1]").Done()

	check(t, one.Leave(t.Context()))
	expect(t, two, "")
	again := static("one")
	expect(t, again, "assigned a[0]").Done()
	expect(t, two, "")

	// A second process with the same identity fences the first.
	twin := static("one")
	expect(t, twin, "assigned a[0]").Done()
	fenced(t, again.Commit(t.Context(), at("a", 0, 1), nil))
	_, err := again.Poll(t.Context(), 0)
	fenced(t, err)
	check(t, twin.Commit(t.Context(), at("a", 0, 1), nil))

	check(t, twin.Leave(t.Context()))
	clock.Advance(6 * time.Second)
	expect(t, two, "")
	clock.Advance(6 * time.Second)
	expect(t, two, "assigned a[0]").Done()
}

func TestAStaticMemberWithOtherTopicsRebalances(t *testing.T) {
	b, _ := newBroker(t, map[string]int32{"a": 1, "b": 1})
	static := func(topics ...string) broker.Group {
		return newMember(t, b, broker.GroupConfig{Group: "g", Topics: [][]string{topics}, InstanceID: "one"})
	}
	before := static("a")
	expect(t, before, "assigned a[0]").Done()
	check(t, before.Leave(t.Context()))
	expect(t, static("a", "b"), "assigned a[0] b[0]").Done()
}

func TestNewGroupWantsANameAndTopics(t *testing.T) {
	b, _ := newBroker(t, nil)
	for _, cfg := range []broker.GroupConfig{
		{Topics: [][]string{{"a"}}},
		{Group: "g"},
		{Group: "g", Topics: [][]string{{}}},
		{Group: "g", Topics: [][]string{{"a"}, {"b", "a"}}},
		{Group: "g", Topics: [][]string{{"no such name!"}}},
	} {
		if _, err := b.NewGroup(cfg); err == nil {
			t.Errorf("%+v was accepted", cfg)
		}
	}
}
