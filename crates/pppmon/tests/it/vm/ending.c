/*
 * A pppd that ends. Small and static, so that what is measured around it is not its own start.
 *
 * It joins its bundle at once. Link 0 ends again and again, the others once each, half a second
 * after one another; their second pppd stays. The file LINK beside the program gets the moment of
 * each start and end, and of an exec of the same program from here.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct timespec now(void)
{
    struct timespec moment;
    clock_gettime(CLOCK_MONOTONIC, &moment);
    return moment;
}

static void note(const char *path, const char *word, struct timespec at)
{
    char line[80];
    int length = snprintf(line, sizeof line, "%s %lld.%09ld\n", word, (long long)at.tv_sec, at.tv_nsec);
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (file < 0 || write(file, line, length) != length)
        _exit(125);
    close(file);
}

int main(int count, char **words)
{
    struct timespec started = now();
    char path[4096];
    int link = 0, again;

    if (count == 3 && !strcmp(words[1], "exec")) {
        note(words[2], "exec", started);
        return 0;
    }
    for (int n = 1; n < count; n++)
        if (sscanf(words[n], "line 0 %d", &link) == 1)
            break;
    snprintf(path, sizeof path, "%.*s/link%d", (int)(strrchr(words[0], '/') - words[0]), words[0], link);
    again = access(path, F_OK) == 0;
    note(path, "start", started);
    puts("Using interface ppp9\nLink attached to ppp0");
    fflush(stdout);
    if (link != 0) {
        if (again)
            sleep(1000);
        usleep(link * 500000);
        note(path, "fork", now());
        pid_t child = fork();
        if (child == 0) {
            execl(words[0], words[0], "exec", path, (char *)0);
            _exit(125);
        }
        waitpid(child, NULL, 0);
    }
    note(path, "end", now());
    _exit(16);
}
