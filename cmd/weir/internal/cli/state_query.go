package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// queryFlags choose the query service of a running program in place of databases on disk.
type queryFlags struct {
	url     string
	headers []string
}

func (f *queryFlags) add(command *cobra.Command) {
	command.Flags().StringVar(&f.url, "url", "", "query service of a member of a running group, in place of a folder: http://host:port/query")
	command.Flags().StringArrayVar(&f.headers, "header", nil, `header of requests to --url, such as "Authorization: Bearer TOKEN"`)
}

// chosen reports whether a running program is asked. The flags of databases on disk are mistakes then.
func (f *queryFlags) chosen(command *cobra.Command) (bool, error) {
	if f.url == "" {
		return false, nil
	}
	for _, flag := range []string{"dir", "task", "key", "value"} {
		if command.Flags().Changed(flag) {
			return false, Usagef("--%s is for state on disk: leave it out, or --url", flag)
		}
	}
	return true, nil
}

// queryTimeout is how long one request may take.
const queryTimeout = 15 * time.Second

// queriedPage is an answer of a query service.
type queriedPage struct {
	Partition int32         `json:"partition"`
	Rows      []queriedLine `json:"rows"`
	Next      string        `json:"next"`
	Error     string        `json:"error"`
}

// queriedLine is a row in the output.
type queriedLine struct {
	Partition int32           `json:"partition"`
	Key       json.RawMessage `json:"key"`
	Field     json.RawMessage `json:"field,omitempty"`
	Value     json.RawMessage `json:"value"`
}

// page asks for one page.
func (f *queryFlags) page(ctx context.Context, path string, values url.Values) (p queriedPage, err error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(f.url, "/")+path+"?"+values.Encode(), http.NoBody)
	if err != nil {
		return p, Usagef("--url: %w", err)
	}
	if s := request.URL.Scheme; s != "http" && s != "https" {
		return p, Usagef("--url %q must begin with http:// or https://", f.url)
	}
	for _, header := range f.headers {
		name, value, found := strings.Cut(header, ":")
		if !found {
			return p, Usagef("--header %q is not like \"Name: value\"", name)
		}
		request.Header.Set(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		return p, err
	}
	body, err := io.ReadAll(response.Body)
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return p, fmt.Errorf("%s: %w", f.url, err)
	}
	err = json.Unmarshal(body, &p)
	switch {
	case err != nil:
		return p, fmt.Errorf("%s answers %s, and no rows: is it the URL of a query service?", f.url, response.Status)
	case response.StatusCode != http.StatusOK:
		return p, errors.New(p.Error)
	default:
		return p, nil
	}
}

// printQueried prints the rows of an answer, page by page up to a limit, and returns their number.
func (s *Session) printQueried(ctx context.Context, f *queryFlags, path string, values url.Values, limit int) (n int, err error) {
	var lines []queriedLine
	for {
		values.Set("limit", strconv.Itoa(1000))
		if limit > 0 {
			values.Set("limit", strconv.Itoa(min(1000, limit-len(lines)+1))) // one more tells whether there are more
		}
		p, err := f.page(ctx, path, values)
		if err != nil {
			return 0, err
		}
		for _, row := range p.Rows {
			row.Partition = p.Partition
			lines = append(lines, row)
		}
		if p.Next == "" || limit > 0 && len(lines) > limit {
			break
		}
		values.Set("after", p.Next)
	}
	more := limit > 0 && len(lines) > limit
	if more {
		lines = lines[:limit]
	}
	if err := s.printQueriedLines(lines); err != nil {
		return 0, err
	}
	if more {
		fmt.Fprintf(s.Err, "the first %d rows; --limit 0 prints all\n", limit)
	}
	return len(lines), nil
}

func (s *Session) printQueriedLines(lines []queriedLine) error {
	if s.json {
		for _, line := range lines {
			text, err := json.Marshal(line)
			if err == nil {
				_, err = fmt.Fprintf(s.Out, "%s\n", text)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	if len(lines) == 0 {
		return nil
	}
	rows := make([][]string, len(lines))
	for i, l := range lines {
		rows[i] = []string{strconv.Itoa(int(l.Partition)), string(l.Key), string(l.Field), string(l.Value)}
	}
	return s.printTable([]string{"PARTITION", "KEY", "FIELD", "VALUE"}, rows)
}

// getQueried prints the rows of a key.
func (s *Session) getQueried(ctx context.Context, f *queryFlags, store, key string) error {
	n, err := s.printQueried(ctx, f, "/key", url.Values{"store": {store}, "key": {key}}, 0)
	if err == nil && n == 0 {
		return fmt.Errorf("store %q has no row of key %s", store, key)
	}
	return err
}

// scanQueried prints the rows of a store.
func (s *Session) scanQueried(ctx context.Context, f *queryFlags, store string, limit int) error {
	_, err := s.printQueried(ctx, f, "/scan", url.Values{"store": {store}}, limit)
	return err
}
