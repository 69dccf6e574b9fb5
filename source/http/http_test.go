package http_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/secrettest"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/source"
	webhook "github.com/weirstreams/weir/source/http"
)

type options = webhook.Options[string, int]

// open opens the split of a source. Its log goes to the returned buffer.
func open(t *testing.T, s *webhook.Source[string, int]) (source.Reader[string, int], *bytes.Buffer) {
	t.Helper()
	if err := s.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	r, err := s.Open(t.Context(), source.Task{Logger: slog.New(slog.NewTextHandler(&log, nil))}, source.Split{ID: "0"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r, &log
}

func send(s http.Handler, method, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/hook", strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// zipped returns a text in gzip.
func zipped(t *testing.T, text string) string {
	t.Helper()
	var b strings.Builder
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func signature(key, body string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(body))
	return hex.EncodeToString(mac.Sum(nil))
}

func TestARequestThatMakesNoRecordIsRefused(t *testing.T) {
	signed := webhook.SignedBy("X-Signature", secret.New("k3y"))
	bearer := webhook.WithBearer(secret.New("t0ken"))
	for name, c := range map[string]struct {
		options options
		method  string
		body    string
		headers []string
		status  int
		text    string
	}{
		"another method":                 {options{}, http.MethodDelete, "1", nil, 405, "POST"},
		"no JSON":                        {options{}, http.MethodPost, "{", nil, 400, "JSON"},
		"a value of another type":        {options{}, http.MethodPost, `"x"`, nil, 400, "string"},
		"no body":                        {options{}, http.MethodPost, "", nil, 400, "JSON"},
		"a body that is too long":        {options{MaxBodyBytes: 3}, http.MethodPost, "1234", nil, 413, ""},
		"gzip that is no gzip":           {options{}, http.MethodPost, "1", []string{"Content-Encoding", "gzip"}, 400, ""},
		"gzip that is too long":          {options{MaxBodyBytes: 300}, http.MethodPost, zipped(t, strings.Repeat("1", 1<<20)), []string{"Content-Encoding", "gzip"}, 413, ""},
		"gzip that is cut off":           {options{}, http.MethodPost, zipped(t, strings.Repeat("1", 100))[:20], []string{"Content-Encoding", "gzip"}, 400, ""},
		"another encoding":               {options{}, http.MethodPost, "1", []string{"Content-Encoding", "br"}, 415, ""},
		"no signature":                   {options{Check: signed}, http.MethodPost, "1", nil, 401, ""},
		"a wrong signature":              {options{Check: signed}, http.MethodPost, "1", []string{"X-Signature", signature("key", "1")}, 401, ""},
		"a signature of another body":    {options{Check: signed}, http.MethodPost, "1", []string{"X-Signature", signature("k3y", "2")}, 401, ""},
		"a signature that is no digits":  {options{Check: signed}, http.MethodPost, "1", []string{"X-Signature", "sha256=?"}, 401, ""},
		"no token":                       {options{Check: bearer}, http.MethodPost, "1", nil, 401, ""},
		"a wrong token":                  {options{Check: bearer}, http.MethodPost, "1", []string{"Authorization", "Bearer token"}, 401, ""},
		"a token by another scheme":      {options{Check: bearer}, http.MethodPost, "1", []string{"Authorization", "Basic t0ken"}, 401, ""},
		"more bytes than may wait":       {options{MaxBodyBytes: 3, MaxWaitingBytes: 3, Decode: many}, http.MethodPost, "1234", nil, 413, ""},
		"credentials before the content": {options{Check: bearer}, http.MethodPost, "{", nil, 401, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := webhook.New(c.options)
			r, log := open(t, s)
			w := send(s, c.method, c.body, c.headers...)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.text) {
				t.Errorf("%d %s, want %d %s", w.Code, w.Body, c.status, c.text)
			}
			if logged := log.Len() > 0; logged != (c.status == 400 && c.text != "" || c.status == 401) {
				t.Errorf("the log is %q", log)
			}
			secrettest.Absent(t, "answer and log", w.Body.String()+log.String(), "k3y", "t0ken")
			var batch source.Batch[string, int]
			if err := r.Read(t.Context(), &batch); err != nil || len(batch.Records) > 0 {
				t.Errorf("records %v, error %v", batch.Records, err)
			}
		})
	}
}

// many makes a record of each byte.
func many(_ *http.Request, body []byte) (records []weir.Record[string, int], err error) {
	for _, b := range body {
		records = append(records, weir.Record[string, int]{Value: int(b)})
	}
	return records, nil
}

func TestARequestHasItsAnswerAfterTheCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := webhook.New(options{Check: webhook.SignedBy("X-Signature", secret.New("k3y"))})
		r, _ := open(t, s)
		answers := make(chan int, 3)
		for _, body := range []string{"1", "2"} {
			go func() {
				answers <- send(s, http.MethodPost, body, "X-Signature", "sha256="+signature("k3y", body)).Code
			}()
			synctest.Wait()
		}
		var batch source.Batch[string, int]
		if err := r.Read(t.Context(), &batch); err != nil || len(batch.Records) != 2 {
			t.Fatal(batch.Records, err)
		}
		for i, record := range batch.Records {
			if !record.KeyNull || record.Value != i+1 {
				t.Errorf("record %d is %+v", i, record)
			}
		}
		first := string(batch.Position)
		body := zipped(t, "3")
		go func() {
			answers <- send(s, http.MethodPut, body, "X-Signature", signature("k3y", "3"), "Content-Encoding", "gzip").Code
		}()
		synctest.Wait()
		batch.Reset()
		if err := r.Read(t.Context(), &batch); err != nil || len(batch.Records) != 1 {
			t.Fatal(batch.Records, err)
		}
		time.Sleep(20 * time.Second)
		if len(answers) > 0 {
			t.Fatal("an answer in front of the commit")
		}
		for _, position := range []string{"another 7", "", first} {
			if err := r.Acknowledge(t.Context(), []byte(position)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if want := map[bool]int{true: 2}[position == first]; len(answers) != want {
				t.Errorf("%d answers after position %q, want %d", len(answers), position, want)
			}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		for _, want := range []int{204, 204, 503} {
			if got := <-answers; got != want {
				t.Errorf("answer %d, want %d", got, want)
			}
		}
		if s.Waiting() != 0 {
			t.Error(s.Waiting(), "requests are counted as waiting")
		}
	})
}

func TestARequestThatWaitsTooLongIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := webhook.New(options{Timeout: time.Minute, MaxWaiting: 2})
		r, _ := open(t, s)
		answers := make(chan *httptest.ResponseRecorder, 3)
		go func() { answers <- send(s, http.MethodPost, "1") }()
		synctest.Wait()
		var batch source.Batch[string, int]
		if err := r.Read(t.Context(), &batch); err != nil || len(batch.Records) != 1 {
			t.Fatal(batch.Records, err)
		}
		time.Sleep(time.Second)
		go func() { answers <- send(s, http.MethodPost, "2") }()
		synctest.Wait()
		if w := send(s, http.MethodPost, "3"); w.Code != 503 || w.Header().Get("Retry-After") != "1" || !strings.Contains(w.Body.String(), "too many") {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		for _, want := range []string{"may still be", "dropped"} {
			if w := <-answers; w.Code != 503 || !strings.Contains(w.Body.String(), want) {
				t.Errorf("%d %s, want %q", w.Code, w.Body, want)
			}
		}
		batch.Reset()
		if err := r.Read(t.Context(), &batch); err != nil || len(batch.Records) != 0 {
			t.Errorf("a dropped request makes %v, error %v", batch.Records, err)
		}
		if err := r.Acknowledge(t.Context(), []byte("x")); err != nil {
			t.Error(err)
		}
	})
}

func TestOnlyAnOpenSplitTakesRequests(t *testing.T) {
	s := webhook.New(options{})
	if w := send(s, http.MethodGet, ""); w.Code != 503 {
		t.Error(w.Code)
	}
	if w := send(s, http.MethodPost, "1"); w.Code != 503 {
		t.Error(w.Code)
	}
	r, _ := open(t, s)
	if w := send(s, http.MethodHead, ""); w.Code != 204 {
		t.Error(w.Code)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if w := send(s, http.MethodPost, "1"); w.Code != 503 {
		t.Error(w.Code)
	}
}

func TestRequestsGoToTheOpenSplitsInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := webhook.New(options{Receivers: 2, Decode: many})
		if splits, err := s.Splits(t.Context(), nil); err != nil || len(splits) != 2 || s.Slots() != 2 {
			t.Fatal(splits, err, s.Slots())
		}
		a, _ := open(t, s)
		b, _ := open(t, s)
		for range 4 {
			go send(s, http.MethodPost, "xx")
		}
		synctest.Wait()
		for _, r := range []source.Reader[string, int]{a, b} {
			var batch source.Batch[string, int]
			if err := r.Read(t.Context(), &batch); err != nil || len(batch.Records) != 4 || batch.Bytes != 4 {
				t.Errorf("%d records of %d bytes, %v", len(batch.Records), batch.Bytes, err)
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestTheServerOfTheSource(t *testing.T) {
	certificates := httptest.NewTLSServer(nil)
	defer certificates.Close()
	s := webhook.New(options{Address: "127.0.0.1:0", TLS: &tls.Config{Certificates: certificates.TLS.Certificates}})
	r, _ := open(t, s)
	read := make(chan error, 1)
	go func() {
		var batch source.Batch[string, int]
		for len(batch.Records) == 0 {
			if err := r.Read(t.Context(), &batch); err != nil {
				read <- err
				return
			}
		}
		read <- r.Acknowledge(t.Context(), batch.Position)
	}()
	answer, err := certificates.Client().Post("https://"+s.Addr().String()+"/any/path", "application/json", strings.NewReader("7"))
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if err := <-read; err != nil || answer.StatusCode != 204 {
		t.Errorf("%s, %v", answer.Status, err)
	}
	if err := errors.Join(r.Close(), s.Close(t.Context())); err != nil {
		t.Error(err)
	}
	if err := webhook.New(options{Address: "127.0.0.1:0"}).Close(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestASourceThatCannotListenIsAnError(t *testing.T) {
	first := webhook.New(options{Address: "127.0.0.1:0"})
	if err := first.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer first.Close(t.Context())
	for name, o := range map[string]options{
		"in use":         {Address: first.Addr().String()},
		"invalid":        {Address: "nowhere"},
		"no certificate": {Address: "127.0.0.1:0", TLS: &tls.Config{}},
		"TLS alone":      {TLS: &tls.Config{Certificates: make([]tls.Certificate, 1)}},
		"never waits":    {MaxBodyBytes: 10, MaxWaitingBytes: 9},
		"negative":       {Receivers: -1},
	} {
		s := webhook.New(o)
		if err := s.Connect(t.Context()); err == nil || !strings.Contains(err.Error(), "source/http") || s.Addr() != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEmptyCredentialsAreRefused(t *testing.T) {
	for name, f := range map[string]func(){
		"SignedBy": func() { webhook.SignedBy("X", secret.String{}) }, "WithBearer": func() { webhook.WithBearer(secret.New("")) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s takes an empty secret", name)
				}
			}()
			f()
		}()
	}
}
