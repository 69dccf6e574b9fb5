package simbroker

import (
	"context"

	"github.com/weirstreams/weir/internal/broker"
)

// OpKind names a call of a client.
type OpKind string

// The calls of clients, named after the methods of package broker.
const (
	OpTopics           OpKind = "topics"
	OpCreateTopics     OpKind = "create topics"
	OpOffsets          OpKind = "offsets"
	OpCommittedOffsets OpKind = "committed offsets"
	OpNewFetcher       OpKind = "new fetcher"
	OpNewProducer      OpKind = "new producer"
	OpNewGroup         OpKind = "new group"
	OpFetch            OpKind = "fetch"   // Fetcher.Poll
	OpSend             OpKind = "send"    // Producer.Send
	OpProduce          OpKind = "produce" // one batch is appended, within Send or Flush
	OpFlush            OpKind = "flush"   // Producer.Flush
	OpPoll             OpKind = "poll"    // Group.Poll
	OpDone             OpKind = "done"    // GroupEvent.Done
	OpCommit           OpKind = "commit"  // Group.Commit
	OpLeave            OpKind = "leave"   // Group.Leave
)

// Op is one call of a client, as [Broker.OnCall] sees it. The hook sees each call twice: before it takes effect, and,
// if it succeeded, after it has.
//
// An error that the hook returns goes to the caller. Before, the call then has no effect: the request was lost. After,
// the effect stays: the acknowledgement was lost. A panic of the hook passes through the caller, as the crash of its
// process at that point. The hook may use the broker: to crash another member, to move the clock.
//
// An error of OpProduce comes out of the producer as a [*broker.DeliveryError] and is final, one of OpPoll ends the
// membership, and one of OpDone is kept from the caller, who cannot be told.
type Op struct {
	Kind OpKind
	// Client is the fetcher, producer or group membership that calls: its kind and its number in order of creation,
	// such as "producer-3". It is empty for the methods of the cluster.
	Client string
	// Group is the consumer group that the call concerns, if any.
	Group string
	// TopicPartition is set for OpSend and OpProduce.
	TopicPartition broker.TopicPartition
	// After is false before the call takes effect and true after it has.
	After bool
}

// call is the one way by which clients reach the broker. do runs with b.mu held; the hook runs without, so that it can
// use the broker, and so that a panic leaves it usable.
func (b *Broker) call(ctx context.Context, op Op, do func() error) error {
	return b.around(ctx, op, func() error { return b.locked(do) })
}

// around is call for what consists of calls itself: do runs without b.mu.
func (b *Broker) around(ctx context.Context, op Op, do func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if b.OnCall != nil {
		if err := b.OnCall(op); err != nil {
			return err
		}
	}
	if err := do(); err != nil {
		return err
	}
	if b.OnCall != nil {
		op.After = true
		return b.OnCall(op)
	}
	return nil
}

func (b *Broker) locked(do func() error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return do()
}
