package registry_test

import (
	"encoding/binary"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/codec/registry"
	"github.com/weirstreams/weir/secret"
)

// server is a registry in this process that notes what it is asked.
type server struct {
	*srfake.Registry
	url string

	mu       sync.Mutex
	requests []string
	// answer may handle a request in place of the registry; it returns whether it did.
	answer func(w http.ResponseWriter, r *http.Request) bool
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests = append(s.requests, r.Method+" "+r.URL.RequestURI())
	answer := s.answer
	s.mu.Unlock()
	if answer != nil && answer(w, r) {
		return
	}
	s.Handler().ServeHTTP(w, r)
}

func (s *server) answers(f func(w http.ResponseWriter, r *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = f
}

// asked returns the requests since the last call.
func (s *server) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.requests
	s.requests = nil
	return asked
}

func start(t testing.TB, options ...srfake.Option) *server {
	s := &server{Registry: srfake.NewRegistry(options...)}
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	s.url = h.URL
	return s
}

// fails answers a number of requests with a status.
func fails(n, status int) func(w http.ResponseWriter, r *http.Request) bool {
	var mu sync.Mutex
	return func(w http.ResponseWriter, _ *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		if n == 0 {
			return false
		}
		n--
		w.WriteHeader(status)
		return true
	}
}

func newClient(t testing.TB, s *server, change ...func(*registry.Config)) *registry.Client {
	t.Helper()
	config := registry.Config{URLs: secret.URLs(s.url), RetryBase: time.Millisecond}
	for _, f := range change {
		f(&config)
	}
	client, err := registry.NewClient(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// letters is a format of Avro strings in capitals, without their length: what it writes is easy to see.
type letters struct {
	schema registry.Schema
	codec.Codec[string]
	wantsWriter bool
	seen        *[]registry.Schema
}

func newLetters(text string) *letters {
	return &letters{
		schema: registry.Schema{Type: registry.Avro, Text: text, Name: "shop.Letters"}, Codec: codec.String(),
		wantsWriter: true, seen: new([]registry.Schema),
	}
}

func (l *letters) Schema() registry.Schema { return l.schema }

func (l *letters) Writer(s registry.Schema) (codec.Codec[string], error) {
	*l.seen = append(*l.seen, s)
	return upper{}, nil
}

func (l *letters) Reader(writer func() (registry.Schema, error)) (codec.Codec[string], error) {
	if l.wantsWriter {
		s, err := writer()
		if err != nil {
			return nil, err
		}
		*l.seen = append(*l.seen, s)
	}
	return codec.String(), nil
}

type upper struct{}

func (upper) Append(dst []byte, _ *codec.Context, v string) ([]byte, error) {
	return append(dst, strings.ToUpper(v)...), nil
}
func (upper) Decode(*codec.Context, []byte) (string, error) { panic("a writer does not read") }

var value = &codec.Context{Topic: "orders", Part: codec.Value}

func appends(t testing.TB, cd codec.Codec[string], c *codec.Context, v string) string {
	t.Helper()
	out, err := cd.Append([]byte("."), c, v)
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(out[1:])
}

func frame(id byte, payload string) []byte { return append([]byte{0, 0, 0, 0, id}, payload...) }

// frameOf returns the frame of an id and a payload, in hexadecimal.
func frameOf(id int, payload string) string {
	return hexOf(append(binary.BigEndian.AppendUint32([]byte{0}, uint32(id)), payload...))
}

func hexOf(data []byte) string { return hex.EncodeToString(data) }

func bytesOf(hexadecimal string) []byte {
	data, err := hex.DecodeString(hexadecimal)
	if err != nil {
		panic(err)
	}
	return data
}

const stringSchema = `"string"`

func avroSchema(text string) sr.Schema { return sr.Schema{Schema: text, Type: sr.TypeAvro} }
