package simbroker

import (
	"context"
	"errors"
	"fmt"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
)

// OpKind names a call of a client.
type OpKind string

// The calls of clients, named after the methods of package broker.
const (
	OpTopics            OpKind = "topics"
	OpCreateTopics      OpKind = "create topics"
	OpConfigureTopics   OpKind = "configure topics"
	OpPurge             OpKind = "purge" // Cluster.PurgeRecords
	OpOffsets           OpKind = "offsets"
	OpCommittedOffsets  OpKind = "committed offsets"
	OpNewFetcher        OpKind = "new fetcher"
	OpNewProducer       OpKind = "new producer"
	OpNewGroup          OpKind = "new group"
	OpFetch             OpKind = "fetch"              // Fetcher.Poll
	OpInitProducer      OpKind = "init producer"      // within NewProducer, if it has a TransactionalID: older ones are fenced
	OpSend              OpKind = "send"               // Producer.Send
	OpProduce           OpKind = "produce"            // one batch is appended, within Send, Flush or Producer.Commit
	OpFlush             OpKind = "flush"              // Producer.Flush
	OpCommitTransaction OpKind = "commit transaction" // Producer.Commit
	OpAddOffsets        OpKind = "add offsets"        // the offsets join the transaction, within Producer.Commit
	OpAbortTransaction  OpKind = "abort transaction"  // Producer.Abort
	OpEndTransaction    OpKind = "end transaction"    // the transaction ends, within Commit, Abort or Close of Producer
	OpPoll              OpKind = "poll"               // Group.Poll
	OpDone              OpKind = "done"               // GroupEvent.Done
	OpCommit            OpKind = "commit"             // Group.Commit
	OpLeave             OpKind = "leave"              // Group.Leave
)

// Op is one call of a client, as [Broker.OnCall] sees it. The hook sees each call twice: before it takes effect, and,
// if it succeeded, after it has.
//
// An error that the hook returns goes to the caller. Before, the call then has no effect: the request was lost. After,
// the effect stays: the acknowledgement was lost. A panic of the hook passes through the caller, as the crash of its
// process at that point. The hook may use the broker: to crash another member, to move the clock, to let other
// processes work. [ErrLost] and [ErrLate] have meanings of their own.
//
// An error of OpProduce comes out of the producer as a [*broker.DeliveryError]; in a transaction it wraps
// [broker.ErrAborted], as one of OpAddOffsets does, and is final otherwise. One of OpEndTransaction is final. One of
// OpPoll ends the membership, and one of OpDone is not returned, because Done has no error: the group hears of it with
// the next Poll.
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

var (
	// ErrLost, returned by [Broker.OnCall], loses a request or its acknowledgement on the way, and the client sends the
	// request again: the hook sees the call anew. It is sent maxTries times. For calls that are no single request to a
	// broker (new fetcher, new group, send, flush, commit transaction, abort transaction, poll, done) it is an error
	// like any other.
	ErrLost = errors.New("simbroker: lost on the way")

	// ErrLate, returned by [Broker.OnCall] before a call, lets the client give up, and the request take effect when
	// [Broker.DeliverLate] is called, as if it had been stuck in the network. That is for OpProduce, OpAddOffsets,
	// OpEndTransaction and OpCommit; for other calls it is an error like any other.
	ErrLate = errors.New("simbroker: stuck in the network")
)

// maxTries is how often a client sends a request until its patience ends.
const maxTries = 10

// repeatable are the calls that a client makes again when it gets no answer.
var repeatable = map[OpKind]bool{
	OpTopics: true, OpCreateTopics: true, OpConfigureTopics: true, OpPurge: true, OpOffsets: true, OpCommittedOffsets: true, OpFetch: true, OpInitProducer: true,
	OpProduce: true, OpAddOffsets: true, OpEndTransaction: true, OpCommit: true, OpLeave: true,
}

// call is the one way by which clients reach the broker. do runs with b.mu held; the hook runs without, so that it can
// use the broker, and so that a panic leaves it usable.
func (b *Broker) call(ctx context.Context, op Op, do func() error) error {
	_, err := b.request(ctx, op, do)
	return err
}

// request is call with the information whether an answer was lost.
func (b *Broker) request(ctx context.Context, op Op, do func() error) (lost bool, err error) {
	for range maxTries {
		err := b.around(ctx, op, func() error {
			if err := b.reach(ctx, op.Kind); err != nil {
				return err
			}
			return b.locked(do)
		})
		if errors.Is(err, ErrLate) {
			b.mu.Lock()
			b.late = append(b.late, do)
			b.mu.Unlock()
		}
		if !errors.Is(err, ErrLost) || !repeatable[op.Kind] {
			return lost, err
		}
		lost = true
	}
	return lost, fmt.Errorf("%s: no answer to %d requests: %w", op.Kind, maxTries, weir.ErrUnavailable)
}

// around is call for an operation that makes calls itself: do runs without b.mu.
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

// locked runs do after all due events.
func (b *Broker) locked(do func() error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tickTransactions()
	return do()
}

// DeliverLate lets the requests arrive that [ErrLate] has held up, in their order, and returns how many there were.
// The broker may refuse them; nobody is there to be told.
func (b *Broker) DeliverLate() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	late := b.late
	b.late = nil
	b.tickTransactions()
	for _, do := range late {
		_ = do()
	}
	return len(late)
}
