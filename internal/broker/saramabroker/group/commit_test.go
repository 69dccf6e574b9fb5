package group_test

import (
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/brokertest"
)

func TestACommitOfPartitionsOfAnotherMemberIsFenced(t *testing.T) {
	k, c := brokertest.Start(t)
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
	k, c := brokertest.Start(t)
	tp := broker.TopicPartition{Topic: k.Topic(t, "none", 1)}
	got, err := c.CommittedOffsets(brokertest.Within(t), k.Name("group"), tp)
	if err != nil || len(got) != 0 {
		t.Errorf("got %v, %v, want nothing", got, err)
	}
}

func TestCommitTriesAgainWhatMayPass(t *testing.T) {
	k, c := brokertest.StartFake(t, "answers commits with errors, which takes kfake")
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
	k, c := brokertest.StartFake(t, "answers requests with errors, which takes kfake")
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
