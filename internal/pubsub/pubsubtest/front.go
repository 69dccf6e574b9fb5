package pubsubtest

import (
	"cmp"
	"context"
	"net"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
)

// front is a server in front of the fake, with streams of messages of its own. Those of the fake carry few messages a tick, and one message of an ordering key until it is acknowledged. Those of the front do
// as Google documents it: they bound the outstanding messages and bytes of a stream, send the messages of an ordering key in order, and keep a key in one stream as long as the stream has messages of it.
type front struct {
	*pstest.GServer // the fake has the messages, the deadlines and the acknowledgements

	mu   sync.Mutex // guards held, and calls of the fake that change deliveries
	held map[string]delivery
}

// delivery is a message in a stream, until it is acknowledged, given back, or its deadline is over.
type delivery struct {
	ackID, key string
	bytes      int
	stream     *stream
}

type stream struct {
	pubsubpb.Subscriber_StreamingPullServer
	opened *pubsubpb.StreamingPullRequest
}

// poll is how long a stream waits for more messages.
const poll = 5 * time.Millisecond

// newFront starts a server for the time of the test, and returns its address.
func newFront(tb testing.TB, fake *pstest.GServer) string {
	tb.Helper()
	l, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	f := &front{GServer: fake, held: map[string]delivery{}}
	server := grpc.NewServer(grpc.MaxRecvMsgSize(20<<20), grpc.MaxSendMsgSize(200<<20))
	pubsubpb.RegisterPublisherServer(server, f)
	pubsubpb.RegisterSubscriberServer(server, f)
	var running sync.WaitGroup
	running.Go(func() { _ = server.Serve(l) }) // it returns when the server stops
	tb.Cleanup(func() {
		server.Stop()
		running.Wait()
	})
	return l.Addr().String()
}

// StreamingPull sends messages until the client closes its side.
func (f *front) StreamingPull(server pubsubpb.Subscriber_StreamingPullServer) error {
	opened, err := server.Recv()
	if err != nil {
		return err
	}
	s := &stream{server, opened}
	closed := make(chan struct{})
	go func() { // it ends with the call at the latest
		defer close(closed)
		for {
			if _, err := server.Recv(); err != nil {
				return
			}
		}
	}()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		messages, err := f.take(server.Context(), s)
		if err != nil {
			return err
		}
		for some := range slices.Chunk(messages, mostSent) {
			if err := server.Send(&pubsubpb.StreamingPullResponse{ReceivedMessages: some}); err != nil {
				return err
			}
		}
		select {
		case <-tick.C:
		case <-closed:
			return nil
		}
	}
}

// mostSent is how many messages an answer has.
const mostSent = 500

// take takes all messages from the fake, which has them in no order, and gives back those that the stream must not have now.
func (f *front) take(ctx context.Context, s *stream) (messages []*pubsubpb.ReceivedMessage, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var count, bytes int64
	for _, d := range f.held {
		if d.stream == s {
			count++
			bytes += int64(d.bytes)
		}
	}
	mostCount, mostBytes := s.opened.GetMaxOutstandingMessages(), s.opened.GetMaxOutstandingBytes()
	free := func() bool { return (mostCount <= 0 || count < mostCount) && (mostBytes <= 0 || bytes < mostBytes) }
	if !free() {
		return nil, nil
	}
	pulled, err := f.Pull(ctx, &pubsubpb.PullRequest{Subscription: s.opened.GetSubscription(), MaxMessages: 1 << 30, ReturnImmediately: true}) //nolint:staticcheck // the fake would wait
	if err != nil {
		return nil, err
	}
	slices.SortFunc(pulled.GetReceivedMessages(), func(a, b *pubsubpb.ReceivedMessage) int { return cmp.Compare(number(a), number(b)) })
	for _, m := range pulled.GetReceivedMessages() {
		delete(f.held, m.GetMessage().GetMessageId()) // its deadline is over
	}
	owners := map[string]*stream{}
	for _, d := range f.held {
		if d.stream.opened.GetSubscription() == s.opened.GetSubscription() {
			owners[d.key] = d.stream
		}
	}
	owners[""] = nil
	var taken, back []string
	for _, m := range pulled.GetReceivedMessages() {
		key := m.GetMessage().GetOrderingKey()
		if owner := owners[key]; !free() || owner != nil && owner != s {
			back = append(back, m.GetAckId())
			continue
		}
		d := delivery{m.GetAckId(), key, proto.Size(m.GetMessage()), s}
		f.held[m.GetMessage().GetMessageId()] = d
		count++
		bytes += int64(d.bytes)
		taken = append(taken, d.ackID)
		messages = append(messages, proto.CloneOf(m)) // the fake changes its own
	}
	for deadline, ids := range map[int32][]string{s.opened.GetStreamAckDeadlineSeconds(): taken, 0: back} {
		if _, err := f.GServer.ModifyAckDeadline(ctx, &pubsubpb.ModifyAckDeadlineRequest{Subscription: s.opened.GetSubscription(), AckIds: ids, AckDeadlineSeconds: deadline}); err != nil {
			return nil, err
		}
	}
	return messages, nil
}

// number returns the place of a message among all of the fake.
func number(m *pubsubpb.ReceivedMessage) int {
	n, _ := strconv.Atoi(m.GetMessage().GetMessageId()[1:]) // the fake gives m0, m1 and so on
	return n
}

// Acknowledge forgets messages.
func (f *front) Acknowledge(ctx context.Context, r *pubsubpb.AcknowledgeRequest) (*emptypb.Empty, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	answer, err := f.GServer.Acknowledge(ctx, r)
	if err == nil {
		f.forget(r.GetAckIds())
	}
	return answer, err
}

// ModifyAckDeadline makes deadlines longer, or gives messages back.
func (f *front) ModifyAckDeadline(ctx context.Context, r *pubsubpb.ModifyAckDeadlineRequest) (*emptypb.Empty, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	answer, err := f.GServer.ModifyAckDeadline(ctx, r)
	if err == nil && r.GetAckDeadlineSeconds() == 0 {
		f.forget(r.GetAckIds())
	}
	return answer, err
}

// forget removes messages. f.mu is locked.
func (f *front) forget(ackIDs []string) {
	ids := map[string]bool{}
	for _, id := range ackIDs {
		ids[id] = true
	}
	for message, d := range f.held {
		if ids[d.ackID] {
			delete(f.held, message)
		}
	}
}
