package group_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/brokertest"
	"github.com/weirstreams/weir/internal/kafkatest"
)

// fence refuses joins as a coordinator does that knows the instance by another id, while on.
func fence(k *kafkatest.Kafka) (on *atomic.Bool, fences *atomic.Int32) {
	on, fences = &atomic.Bool{}, &atomic.Int32{}
	on.Store(true)
	k.Cluster().ControlKey(int16(kmsg.JoinGroup), func(r kmsg.Request) (kmsg.Response, error, bool) {
		k.Cluster().KeepControl()
		if !on.Load() {
			return nil, nil, false
		}
		fences.Add(1)
		response := r.ResponseKind().(*kmsg.JoinGroupResponse)
		response.ErrorCode = kerr.FencedInstanceID.Code
		return response, nil, true
	})
	return on, fences
}

func newStatic(t *testing.T, k *kafkatest.Kafka) member {
	t.Helper()
	return newMemberOf(t, k, brokertest.Open(t, k), broker.GroupConfig{
		Group: k.Name("group"), Topics: [][]string{{k.Topic(t, "static", 1)}}, InstanceID: "one", RebalanceTimeout: 20 * time.Second,
	})
}

// The other id may be one that nobody uses: of a join that was cut off before the group was in sync, or of a process that was
// killed and whose join came after that of this one.
func TestAStaticMemberOutlastsAFenceOfAnIDThatNobodyUses(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t)
	if k.Real() {
		t.Skip("refuses joins, which takes kfake")
	}
	on, fences := fence(k)
	m := newStatic(t, k)
	ctx := brokertest.Within(t)
	for fences.Load() < 3 {
		if event, err := m.Poll(ctx, 10*time.Millisecond); event != nil || err != nil {
			t.Fatal(event, err)
		}
	}
	on.Store(false) // as the session of the other id is over
	m.until(broker.Assigned, 1)
}

func TestAStaticMemberEndsWhenTheOtherOneOutlivesItsSession(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t)
	if k.Real() {
		t.Skip("refuses joins, which takes kfake")
	}
	fence(k)
	m := newStatic(t, k)
	ctx := brokertest.Within(t)
	for {
		event, err := m.Poll(ctx, time.Second)
		if event != nil {
			t.Fatal(event)
		}
		if errors.Is(err, weir.ErrFenced) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
