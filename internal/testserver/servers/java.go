//go:build unix

package servers

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"sync"
)

// requireJava looks for a Java that is new enough, and says how to install one.
func requireJava(ctx context.Context, oldest int) error {
	version, err := javaVersion(ctx)
	if err != nil {
		return fmt.Errorf("java is missing: install version %d or newer (Debian: openjdk-17-jre-headless): %w", oldest, err)
	}
	if version < oldest {
		return fmt.Errorf("java %d is too old: install version %d or newer (Debian: openjdk-17-jre-headless)", version, oldest)
	}
	return nil
}

var java struct {
	once    sync.Once
	version int
	err     error
}

// javaVersion asks java once.
func javaVersion(ctx context.Context) (int, error) {
	java.once.Do(func() {
		var settings []byte
		settings, java.err = exec.CommandContext(ctx, "java", "-XshowSettings:properties", "-version").CombinedOutput()
		if java.err != nil {
			return
		}
		_, rest, _ := strings.Cut(string(settings), "java.specification.version = ")
		line, _, _ := strings.Cut(rest, "\n")
		major, _, _ := strings.Cut(strings.TrimSpace(strings.TrimPrefix(line, "1.")), ".")
		java.version, java.err = strconv.Atoi(major)
	})
	return java.version, java.err
}
