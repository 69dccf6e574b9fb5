package http

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/secret"
)

// Options configures [New]. The zero value makes a record of each request: a null key, and the JSON of its body as the value. It listens nowhere:
// the source is an [http.Handler] for a server of the program then.
type Options[K, V any] struct {
	// Address is where Connect listens, as "host:port"; port 0 is a free one, see [Source.Addr]. Empty means that the program serves the source.
	Address string
	// TLS has the certificate of the server at Address. nil means plain HTTP.
	TLS *tls.Config
	// Check looks at each request before its records are made, such as [SignedBy] and [WithBearer]. Its error is answered by 401 without its text, and logged.
	// It runs on the goroutine of the request. nil accepts everybody who can reach the server.
	Check func(r *http.Request, body []byte) error
	// Decode makes the records of a request; none for one that is only a sign of life. Its error is answered by 400 with its text. It runs on the goroutine of
	// the request, whose body is read. The records may keep the body. nil means one record: a null key, and the JSON of the body.
	Decode func(r *http.Request, body []byte) ([]weir.Record[K, V], error)
	// Receivers is how many processes take requests at a time. The others answer 503, so that a load balancer passes over them. 0 means 1.
	Receivers int

	// Timeout bounds the reading of a request, and the wait for the commit of its records. 0 means 30 s. It should be some times the checkpoint interval.
	Timeout time.Duration
	// MaxBodyBytes bounds a body, after decompression. A longer one is answered by 413. 0 means 1 MiB.
	MaxBodyBytes int64
	// MaxWaiting and MaxWaitingBytes bound the requests that wait for their commit, and their bodies. More are answered by 503. 0 means 10,000 and 64 MiB.
	MaxWaiting      int
	MaxWaitingBytes int64
}

func (o Options[K, V]) withDefaults() Options[K, V] {
	if o.Decode == nil {
		o.Decode = decodeJSON[K, V]
	}
	o.Receivers = cmp.Or(o.Receivers, 1)
	o.Timeout = cmp.Or(o.Timeout, 30*time.Second)
	o.MaxBodyBytes = cmp.Or(o.MaxBodyBytes, 1<<20)
	o.MaxWaiting = cmp.Or(o.MaxWaiting, 10_000)
	o.MaxWaitingBytes = cmp.Or(o.MaxWaitingBytes, 64<<20)
	return o
}

// check returns everything that is wrong.
func (o *Options[K, V]) check() error {
	wrong := []error{connector.Negative(o)}
	if o.Address == "" && o.TLS != nil {
		wrong = append(wrong, errors.New("TLS is set without Address"))
	}
	if o.TLS != nil && len(o.TLS.Certificates) == 0 && o.TLS.GetCertificate == nil && o.TLS.GetConfigForClient == nil {
		wrong = append(wrong, errors.New("TLS has no certificate"))
	}
	if o.MaxBodyBytes > o.MaxWaitingBytes {
		wrong = append(wrong, fmt.Errorf("MaxBodyBytes is %d, and MaxWaitingBytes %d: no such body could wait", o.MaxBodyBytes, o.MaxWaitingBytes))
	}
	return errors.Join(wrong...)
}

// decodeJSON is the default of Options.Decode.
func decodeJSON[K, V any](_ *http.Request, body []byte) ([]weir.Record[K, V], error) {
	r := weir.Record[K, V]{KeyNull: true}
	if err := json.Unmarshal(body, &r.Value); err != nil {
		return nil, err
	}
	return []weir.Record[K, V]{r}, nil
}

var errCredentials = errors.New("the credentials are missing or wrong")

// SignedBy returns a check of senders that sign the body with a shared key: the header has the HMAC-SHA256 in hexadecimal digits, with or without "sha256="
// in front, as GitHub sends it in X-Hub-Signature-256. It panics if the key is empty.
func SignedBy(header string, key secret.String) func(r *http.Request, body []byte) error {
	if key.IsZero() {
		panic("source/http: SignedBy with an empty key would accept what anybody signs")
	}
	return func(r *http.Request, body []byte) error {
		got, err := hex.DecodeString(strings.TrimPrefix(r.Header.Get(header), "sha256="))
		if err != nil {
			return errCredentials
		}
		mac := hmac.New(sha256.New, []byte(key.Reveal()))
		mac.Write(body)
		if !hmac.Equal(got, mac.Sum(nil)) {
			return errCredentials
		}
		return nil
	}
}

// WithBearer returns a check of the header Authorization: "Bearer" and a token. It panics if the token is empty.
func WithBearer(token secret.String) func(r *http.Request, body []byte) error {
	if token.IsZero() {
		panic("source/http: WithBearer with an empty token would accept everybody")
	}
	return func(r *http.Request, _ []byte) error {
		scheme, got, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare([]byte(got), []byte(token.Reveal())) != 1 {
			return errCredentials
		}
		return nil
	}
}
