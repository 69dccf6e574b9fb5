package mongodb_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/nettest"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/mongodb"
)

const password = "s3cret-of-the-sink"

// quickly are attempts for tests.
var quickly = weir.Retry{Attempts: 3, FirstWait: time.Millisecond}

// place is a database for a test.
type place struct {
	address  string
	database *mongo.Database
}

var places atomic.Int64

func newPlace(tb testing.TB) *place {
	tb.Helper()
	address := os.Getenv("WEIR_TEST_MONGO")
	if address == "" {
		tb.Skip("needs a MongoDB: go run github.com/weirstreams/weir/internal/testserver mongo -- go test")
	}
	client, err := mongo.Connect(clientOptions(address))
	must(tb, err)
	p := &place{address, client.Database(fmt.Sprintf("t%d-%d", time.Now().UnixNano(), places.Add(1)))}
	tb.Cleanup(func() {
		must(tb, p.database.Drop(context.Background()))
		must(tb, client.Disconnect(context.Background()))
	})
	return p
}

func clientOptions(address string) *options.ClientOptions {
	return options.Client().ApplyURI(uri(address))
}

func uri(address string) string { return "mongodb://" + address + "/?directConnection=true" }

// optionsOf returns options for a collection of the place.
func optionsOf[K, V any](p *place, collection string) mongodb.Options[K, V] {
	return mongodb.Options[K, V]{URI: secret.New(uri(p.address)), Database: p.database.Name(), Collection: collection, Retry: quickly}
}

// documents returns the documents of a collection by their ids, as the driver writes JSON.
func (p *place) documents(tb testing.TB, collection string) map[string]string {
	tb.Helper()
	found := map[string]string{}
	for _, d := range p.find(tb, collection) {
		fields, err := d.Elements()
		must(tb, err)
		text := ""
		for _, f := range fields[1:] {
			text += " " + f.Key() + ":" + plain(f.Value())
		}
		found[plain(d.Lookup("_id"))] = text
	}
	return found
}

// plain returns the text of a text, and extended JSON of any other value.
func plain(v bson.RawValue) string {
	if text, ok := v.StringValueOK(); ok {
		return text
	}
	return v.String()
}

func (p *place) find(tb testing.TB, collection string) (all []bson.Raw) {
	tb.Helper()
	cursor, err := p.database.Collection(collection).Find(context.Background(), bson.D{})
	must(tb, err)
	must(tb, cursor.All(context.Background(), &all))
	return all
}

// gate is a server in front of the real one that answers some commands itself.
type gate struct {
	address string

	mu      sync.Mutex // guards the rest
	answers map[string]func(documents []bson.Raw) bson.D
}

// newGate starts a gate in front of an address, for the time of a test. Commands that no answer is set for go to the address. Without one they are answered as by a
// primary that takes everything.
func newGate(tb testing.TB, address string) *gate {
	tb.Helper()
	return newSecureGate(tb, address, nil)
}

// newSecureGate starts a gate that speaks TLS, if there are settings for it.
func newSecureGate(tb testing.TB, address string, secure *tls.Config) *gate {
	tb.Helper()
	g := &gate{answers: map[string]func([]bson.Raw) bson.D{}}
	g.address = nettest.Serve(tb, func(near net.Conn) {
		if secure != nil {
			near = tls.Server(near, secure)
		}
		var far net.Conn
		if address != "" {
			var err error
			if far, err = net.Dial("tcp", address); err != nil {
				return
			}
			defer far.Close()
		}
		for g.exchange(near, far) == nil {
		}
	})
	return g
}

// answer sets the answer to a command, which may have documents, until end is called. A nil document breaks the connection.
func (g *gate) answer(command string, answer func(documents []bson.Raw) bson.D) (end func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.answers[command] = answer
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.answers, command)
	}
}

var errBroken = errors.New("the gate breaks the connection")

// exchange handles one request.
func (g *gate) exchange(near, far net.Conn) error {
	message, err := readMessage(near)
	if err != nil {
		return err
	}
	const message2013, header, flags = 2013, 16, 4
	if code := binary.LittleEndian.Uint32(message[12:]); code == message2013 {
		first, documents, err := parse(message[header+flags:])
		if err != nil {
			return err
		}
		g.mu.Lock()
		answer := g.answers[first]
		g.mu.Unlock()
		if answer == nil && far == nil {
			answer = takes
		}
		if answer != nil {
			d := answer(documents)
			if d == nil {
				return errBroken
			}
			data, err := bson.Marshal(d)
			if err != nil {
				return err
			}
			reply := make([]byte, header+flags+1, header+flags+1+len(data))
			binary.LittleEndian.PutUint32(reply, uint32(cap(reply)))
			copy(reply[8:], message[4:8]) // the request that is answered
			binary.LittleEndian.PutUint32(reply[12:], message2013)
			_, err = near.Write(append(reply, data...))
			return err
		}
	}
	if far == nil {
		return g.hello(near, message)
	}
	if _, err := far.Write(message); err != nil {
		return err
	}
	reply, err := readMessage(far)
	if err != nil {
		return err
	}
	_, err = near.Write(reply)
	return err
}

// hello answers the first message of a connection, which is of the older kind.
func (g *gate) hello(near net.Conn, message []byte) error {
	data, err := bson.Marshal(takes(nil))
	if err != nil {
		return err
	}
	const head = 16 + 20
	reply := make([]byte, head, head+len(data))
	binary.LittleEndian.PutUint32(reply, uint32(cap(reply)))
	copy(reply[8:], message[4:8])
	binary.LittleEndian.PutUint32(reply[12:], 1)
	binary.LittleEndian.PutUint32(reply[head-4:], 1)
	_, err = near.Write(append(reply, data...))
	return err
}

// parse returns the name of a command, and the documents behind it.
func parse(sections []byte) (command string, documents []bson.Raw, err error) {
	next := func(from []byte) (bson.Raw, []byte) {
		n := binary.LittleEndian.Uint32(from)
		return from[:n], from[n:]
	}
	for len(sections) > 0 {
		kind := sections[0]
		part, rest := next(sections[1:])
		sections = rest
		if kind == 0 {
			first, err := part.IndexErr(0)
			if err != nil {
				return "", nil, err
			}
			command = first.Key()
			continue
		}
		for _, left, _ := bytes.Cut(part[4:], []byte{0}); len(left) > 0; {
			var d bson.Raw
			d, left = next(left)
			documents = append(documents, d)
		}
	}
	return command, documents, nil
}

// takes is the answer of a primary to all commands.
func takes(documents []bson.Raw) bson.D {
	n := max(1, len(documents))
	return bson.D{
		{Key: "ok", Value: 1},
		{Key: "n", Value: n},
		{Key: "isWritablePrimary", Value: true},
		{Key: "ismaster", Value: true},
		{Key: "minWireVersion", Value: 0},
		{Key: "maxWireVersion", Value: 21},
		{Key: "maxBsonObjectSize", Value: 16 << 20},
		{Key: "maxMessageSizeBytes", Value: 48000000},
		{Key: "maxWriteBatchSize", Value: 100000},
		{Key: "cursor", Value: bson.D{{Key: "id", Value: int64(0)}, {Key: "ns", Value: "a.b"}, {Key: "firstBatch", Value: bson.A{}}}},
	}
}

// fails is the answer with an error of the command.
func fails(code int, name string) func([]bson.Raw) bson.D {
	return func([]bson.Raw) bson.D {
		return bson.D{{Key: "ok", Value: 0}, {Key: "code", Value: code}, {Key: "codeName", Value: name}, {Key: "errmsg", Value: "said the gate"}}
	}
}

// breaks is no answer.
func breaks([]bson.Raw) bson.D { return nil }

func readMessage(from io.Reader) ([]byte, error) {
	size := make([]byte, 4)
	if _, err := io.ReadFull(from, size); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(size)
	if n < 16 || n > 64<<20 {
		return nil, fmt.Errorf("a message of %d bytes", n)
	}
	message := make([]byte, n)
	copy(message, size)
	_, err := io.ReadFull(from, message[4:])
	return message, err
}

// task is a sink with a writer.
type task[K, V any] struct {
	tb     testing.TB
	writer sink.Writer[K, V]
	offset int64
	id     int64
}

func open[K, V any](tb testing.TB, o mongodb.Options[K, V]) *task[K, V] {
	tb.Helper()
	s := mongodb.New(o)
	must(tb, s.Connect(tb.Context()))
	tb.Cleanup(func() { must(tb, s.Close(context.Background())) })
	w, err := s.Writer(tb.Context(), sink.Task{Application: "app", Sink: "documents", Logger: slog.New(slog.DiscardHandler), Now: time.Now})
	must(tb, err)
	tb.Cleanup(func() { must(tb, w.Close()) })
	return &task[K, V]{tb: tb, writer: w}
}

func (t *task[K, V]) add(key K, value V) error {
	return t.addRecord(weir.Record[K, V]{Key: key, Value: value})
}

// addRecord adds a record with the next offset.
func (t *task[K, V]) addRecord(r weir.Record[K, V]) error {
	r.Millis, r.Origin = 1767225600000+t.offset, &weir.Origin{Topic: "input", Offset: t.offset}
	t.offset++
	return t.writer.Add(t.tb.Context(), &r)
}

func (t *task[K, V]) flush() error {
	t.id++
	return t.writer.Flush(t.tb.Context(), sink.Checkpoint{ID: t.id})
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// product is a document of the tests.
type product struct {
	Name  string `json:"name,omitempty"`
	Price int    `json:"price,omitempty"`
}

type settings = mongodb.Options[string, product]

// takeUnique makes a unique index of a collection, and a document that has one of its values.
func (p *place) takeUnique(tb testing.TB, collection string) {
	tb.Helper()
	c := p.database.Collection(collection)
	_, err := c.Indexes().CreateOne(context.Background(), mongo.IndexModel{
		Keys: bson.D{{Key: "unique", Value: 1}}, Options: options.Index().SetUnique(true).SetSparse(true),
	})
	must(tb, err)
	_, err = c.ReplaceOne(context.Background(), bson.D{{Key: "_id", Value: "owner"}}, bson.D{{Key: "unique", Value: "taken"}}, options.Replace().SetUpsert(true))
	must(tb, err)
}
