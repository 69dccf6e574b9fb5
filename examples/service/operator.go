package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// operator calls the endpoints of the service and writes the answers.
type operator struct {
	url, token string
	out        io.Writer
}

// call returns the status and the body of an answer.
func (o operator) call(ctx context.Context, method, path, token string) (status int, body string, err error) {
	request, err := http.NewRequestWithContext(ctx, method, o.url+path, http.NoBody)
	if err != nil {
		return 0, "", err
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = response.Body.Close() }()
	page, err := io.ReadAll(response.Body)
	return response.StatusCode, string(page), err
}

// await asks a page again and again until it is as expected.
func (o operator) await(ctx context.Context, path string, expected func(status int, body string) bool) error {
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		status, body, err := o.call(ctx, http.MethodGet, path, "")
		if err != nil {
			return err
		}
		if expected(status, body) {
			fmt.Fprintln(o.out, "GET", path, "as expected")
			return nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// post calls an endpoint that changes something.
func (o operator) post(ctx context.Context, path, token string) error {
	status, body, err := o.call(ctx, http.MethodPost, path, token)
	if err == nil {
		fmt.Fprintln(o.out, strings.TrimSpace(fmt.Sprintln("POST", path, status, body)))
	}
	return err
}
