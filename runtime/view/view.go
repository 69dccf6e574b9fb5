package view

import (
	"embed"
	"encoding/json"
	"errors"
	"html/template"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/weirstreams/weir/runtime"
)

// Options are the options of a page. The zero value shows one member, and changes nothing.
type Options struct {
	// Member is the name of this member on the page. The default is the name of the host.
	Member string
	// Peers are the addresses of the pages of other members, such as "http://10.0.0.7:8080/weir/": the page shows them too. Each is asked once a
	// second while a page is open, and may take a second to answer. The address of this member may be among them.
	Peers []string
	// Client asks Peers. The default is one of this package, which follows no redirects.
	Client *http.Client
	// Token lets its owners pause and resume the App. Without one the page has no such buttons, and the addresses answer 404.
	Token string
	// SourceURL is where the lines of operators are shown, with {file} and {line} for the place: "https://git.example.com/shop/blob/main/{file}#L{line}".
	// The file is its folder and its name. An empty one makes no links, nor does one that is not http, https or the scheme of an editor such as vscode.
	SourceURL string
}

//go:embed assets
var assets embed.FS

// policy is the content security policy of all answers: nothing but the files of this handler.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Handler returns a handler with the page of an App, at "/", and its data. Use http.StripPrefix for another path, which must end in a slash. It may be used
// before, during and after App.Run, by any number of goroutines. It starts no goroutine that outlives a request.
func Handler(app *runtime.App, options Options) http.Handler {
	if options.Member == "" {
		options.Member, _ = os.Hostname() // a page without a name is better than none
	}
	if options.Client == nil {
		options.Client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	h := &handler{app: app, options: options, picture: template.HTML(app.Drawing().Live(func(box string) string { return "#" + box }))} //nolint:gosec // drawing escapes names
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", h.page)
	mux.HandleFunc("GET /tables", h.tables)
	mux.HandleFunc("GET /member.json", h.memberJSON)
	mux.HandleFunc("GET /group.json", h.groupJSON)
	static, _ := fs.Sub(assets, "assets") // it is embedded
	files := http.FileServerFS(static)
	for _, name := range []string{"view.js", "view.css", "icon.svg"} {
		mux.Handle("GET /"+name, files)
	}
	if options.Token != "" {
		mux.HandleFunc("POST /pause", h.control(h.pause))
		mux.HandleFunc("POST /resume", h.control(h.resume))
	}
	return secured(mux)
}

// secured sets the headers of all answers.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", policy)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

type handler struct {
	app     *runtime.App
	options Options
	picture template.HTML

	mu sync.Mutex // guards the fields below
	// samples are inspections of the last seconds, oldest first.
	samples []sample
	last    *Member
	made    time.Time
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the other side has gone
}

func (h *handler) memberJSON(w http.ResponseWriter, _ *http.Request) { writeJSON(w, h.member()) }

func (h *handler) groupJSON(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, h.group(r.Context()))
}

var templates = template.Must(template.New("").Funcs(functions).ParseFS(assets, "assets/*.html"))

func (h *handler) page(w http.ResponseWriter, r *http.Request)   { h.render(w, r, "page.html") }
func (h *handler) tables(w http.ResponseWriter, r *http.Request) { h.render(w, r, "tables.html") }

func (h *handler) render(w http.ResponseWriter, r *http.Request, name string) {
	var b strings.Builder
	group := h.group(r.Context())
	err := templates.ExecuteTemplate(&b, name, page{
		Group: group, Picture: h.picture, Controls: h.options.Token != "", sourceURL: h.options.SourceURL, Settings: h.app.Settings(), Build: build(),
	})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte(b.String())) // the other side has gone
}

var errScope = errors.New("the body is a JSON object with topic or sub_topology, and with a reason for a pause")
