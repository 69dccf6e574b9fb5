package kinesistest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// Proxy passes calls on to an emulator, and fails as the service does. Its methods may be called from any goroutine.
type Proxy struct {
	// Address is that of the proxy.
	Address string

	target string
	client *http.Client

	mu     sync.Mutex // guards the rest
	broken bool
	fail   func(call string, body []byte) (code string)
	refuse func(key string, data []byte) (code string)
}

// NewProxy starts a proxy in front of the emulator at an address, for the time of the test.
func NewProxy(tb testing.TB, address string) *Proxy {
	tb.Helper()
	p := &Proxy{target: address, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	s := httptest.NewServer(p)
	tb.Cleanup(func() {
		s.Close()
		p.client.CloseIdleConnections()
	})
	p.Address = s.URL
	return p
}

// Break with true ends each connection that makes a call, and with false passes calls on again.
func (p *Proxy) Break(broken bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.broken = broken
}

// Fail sets the function that returns the code with which a call fails, such as "PutRecords", or "" for calls that are passed on. nil passes on all.
func (p *Proxy) Fail(fail func(call string, body []byte) (code string)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fail = fail
}

// Refuse sets the function that returns the code with which a record of a call of PutRecords fails, or "" for records that are passed on. nil passes on all. The
// function is called by one goroutine at a time.
func (p *Proxy) Refuse(refuse func(key string, data []byte) (code string)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = refuse
}

type putRecord struct {
	Data         []byte
	PartitionKey string
}

type putRequest struct {
	Records    []putRecord
	StreamName string
}

type putResult struct {
	SequenceNumber, ShardId, ErrorCode, ErrorMessage string `json:",omitempty"`
}

type putAnswer struct {
	FailedRecordCount int
	Records           []putResult
}

// ServeHTTP implements http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_, call, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	p.mu.Lock()
	broken, code := p.broken, ""
	if p.fail != nil {
		code = p.fail(call, body)
	}
	var refused []string // codes of records
	if call == "PutRecords" && p.refuse != nil && code == "" {
		var request putRequest
		if err := json.Unmarshal(body, &request); err != nil {
			code = "SerializationException"
		}
		for _, record := range request.Records {
			refused = append(refused, p.refuse(record.PartitionKey, record.Data))
		}
	}
	p.mu.Unlock()
	switch {
	case broken:
		panic(http.ErrAbortHandler)
	case code != "":
		answer(w, http.StatusBadRequest, map[string]string{"__type": code, "message": "as the test asks for"})
	case refused != nil:
		p.putSome(w, r, body, refused)
	default:
		status, text, err := p.pass(r, body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.WriteHeader(status)
		_, _ = w.Write(text)
	}
}

// putSome passes on the records that are not refused.
func (p *Proxy) putSome(w http.ResponseWriter, r *http.Request, body []byte, refused []string) {
	var request putRequest
	if err := json.Unmarshal(body, &request); err != nil {
		panic(http.ErrAbortHandler)
	}
	var passed []putRecord
	for i, record := range request.Records {
		if refused[i] == "" {
			passed = append(passed, record)
		}
	}
	var got putAnswer
	if len(passed) > 0 {
		text, err := json.Marshal(putRequest{passed, request.StreamName})
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		status, text, err := p.pass(r, text)
		if err != nil || status != http.StatusOK || json.Unmarshal(text, &got) != nil {
			panic(http.ErrAbortHandler)
		}
	}
	all := putAnswer{FailedRecordCount: len(refused) - len(passed)}
	for _, code := range refused {
		if code != "" {
			all.Records = append(all.Records, putResult{ErrorCode: code, ErrorMessage: "as the test asks for"})
			continue
		}
		all.Records, got.Records = append(all.Records, got.Records[0]), got.Records[1:]
	}
	answer(w, http.StatusOK, all)
}

func answer(w http.ResponseWriter, status int, content any) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(content)
}

// pass makes the call of the emulator.
func (p *Proxy) pass(r *http.Request, body []byte) (status int, text []byte, err error) {
	request, err := http.NewRequestWithContext(r.Context(), r.Method, p.target+r.URL.Path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	request.Header = r.Header.Clone()
	response, err := p.client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	text, err = io.ReadAll(response.Body)
	return response.StatusCode, text, err
}
