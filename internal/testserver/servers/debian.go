//go:build unix

package servers

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/weirstreams/weir/internal/testserver/fetch"
	"github.com/weirstreams/weir/internal/testserver/server"
)

// debianProgram returns the path of a program: that of this machine if it is installed, and else one of the packages, with the environment that it
// needs.
func debianProgram(ctx context.Context, i *server.Instance, name string, packages fetch.Source) (path string, env []string, err error) {
	for _, at := range []string{name, "/usr/sbin/" + name} {
		if found, err := exec.LookPath(at); err == nil {
			return found, nil, nil
		}
	}
	root, err := i.Fetch(ctx, packages)
	if err != nil {
		return "", nil, err
	}
	for _, folder := range []string{"usr/bin", "usr/sbin"} {
		if found, err := exec.LookPath(filepath.Join(root, folder, name)); err == nil {
			path = found
		}
	}
	if path == "" {
		return "", nil, fmt.Errorf("%s has no program %s: remove it, and it is fetched again", root, name)
	}
	libraries, err := filepath.Glob(filepath.Join(root, "usr/lib/*-linux-*"))
	return path, []string{"LD_LIBRARY_PATH=" + strings.Join(libraries, ":")}, err
}
