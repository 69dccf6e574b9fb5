// Package pubsubtest makes topics and subscriptions on the fake of the client of Pub/Sub, which runs in the process of the test.
package pubsubtest

import (
	"context"
	"crypto/rand"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/weirstreams/weir/internal/pubsub"
	"github.com/weirstreams/weir/secret"
)

// Secret is the key of the service account of all projects. The fake asks for none.
const Secret = `{"private_key":"weir-pubsub-secret"}`

// Server is a fake of Pub/Sub. Its methods may be called from any goroutine.
type Server struct {
	// Project reaches it.
	Project pubsub.Project
	// Fake has more.
	Fake *pstest.Server

	mu   sync.Mutex // guards fail
	fail func(call string, request any) error
}

// New starts a fake for the time of the test.
func New(tb testing.TB) *Server {
	tb.Helper()
	s := &Server{}
	var reactors []pstest.ServerReactorOption
	for _, call := range []string{"Publish", "GetTopic", "GetSubscription", "Acknowledge"} {
		reactors = append(reactors, pstest.ServerReactorOption{FuncName: call, Reactor: reactor{s, call}})
	}
	s.Fake = pstest.NewServer(reactors...)
	tb.Cleanup(func() { _ = s.Fake.Close() })
	s.Project = pubsub.Project{ID: "project", Endpoint: newFront(tb, &s.Fake.GServer), ServiceAccountKey: secret.New(Secret), Timeout: 10 * time.Second}
	return s
}

type reactor struct {
	server *Server
	call   string
}

// React implements pstest.Reactor.
func (r reactor) React(request any) (handled bool, answer any, err error) {
	r.server.mu.Lock()
	defer r.server.mu.Unlock()
	if r.server.fail != nil {
		err = r.server.fail(r.call, request)
	}
	return err != nil, nil, err
}

// Fail sets the function that returns the error of a call, such as "Publish", or nil for calls that succeed. The function is called by one goroutine at a time.
func (s *Server) Fail(fail func(call string, request any) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = fail
}

// FailWith makes all calls with a name fail with a code.
func (s *Server) FailWith(call string, code codes.Code) {
	s.Fail(func(c string, _ any) error {
		if c == call {
			return status.Error(code, "as the test asks for")
		}
		return nil
	})
}

// Name returns a name for a topic.
func Name() string { return "weir-" + strings.ToLower(rand.Text()[:12]) }

// Topic makes a topic, which may be there, and returns its path.
func (s *Server) Topic(tb testing.TB, id string) string {
	tb.Helper()
	path := "projects/" + s.Project.ID + "/topics/" + id
	_, err := s.Fake.GServer.CreateTopic(context.WithoutCancel(tb.Context()), &pubsubpb.Topic{Name: path})
	if err != nil && status.Code(err) != codes.AlreadyExists {
		tb.Fatal(err)
	}
	return path
}

// Subscription makes a subscription to the topic of its ID, which may be there. The front keeps the order of ordering keys: the fake would send one message of a key at a time.
func (s *Server) Subscription(tb testing.TB, id string) {
	tb.Helper()
	_, err := s.Fake.GServer.CreateSubscription(context.WithoutCancel(tb.Context()), &pubsubpb.Subscription{
		Name: "projects/" + s.Project.ID + "/subscriptions/" + id, Topic: s.Topic(tb, id), AckDeadlineSeconds: 10,
	})
	if err != nil && status.Code(err) != codes.AlreadyExists {
		tb.Fatal(err)
	}
}

// Acknowledged returns how many messages of a topic with one subscription are acknowledged.
func (s *Server) Acknowledged(id string) (n int) {
	for _, m := range s.Messages(id) {
		if m.Acks > 0 {
			n++
		}
	}
	return n
}

// Messages returns the messages that were published to a topic, in order.
func (s *Server) Messages(id string) (all []*pstest.Message) {
	for _, m := range s.Fake.Messages() {
		if m.Topic == "projects/"+s.Project.ID+"/topics/"+id {
			all = append(all, m)
		}
	}
	return all
}
