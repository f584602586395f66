/* The design of the program that blockfuse descends from, reduced to one file: libfuse, one
 * thread, the device mapped as a whole at start, memcpy into the reply. `cargo xtask bench` builds
 * and measures it; nothing else uses it.
 *
 *     original DEVICE MOUNTPOINT -f -s
 */
#define FUSE_USE_VERSION 31
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

static const char *map;
static uint64_t size;

static int get(const char *path, struct stat *st, struct fuse_file_info *fi) {
  (void)fi;
  memset(st, 0, sizeof *st);
  if (strcmp(path, "/") == 0) {
    st->st_mode = S_IFDIR | 0500;
    st->st_nlink = 2;
    return 0;
  }
  if (strcmp(path, "/device") != 0)
    return -ENOENT;
  st->st_mode = S_IFREG | 0400;
  st->st_nlink = 1;
  st->st_size = (off_t)size;
  return 0;
}

static int open_file(const char *path, struct fuse_file_info *fi) {
  (void)fi;
  return strcmp(path, "/device") == 0 ? 0 : -ENOENT;
}

static int read_file(const char *path, char *buffer, size_t len, off_t offset,
                     struct fuse_file_info *fi) {
  (void)path;
  (void)fi;
  if ((uint64_t)offset >= size)
    return 0;
  if (len > size - (uint64_t)offset)
    len = size - (uint64_t)offset;
  memcpy(buffer, map + offset, len);
  return (int)len;
}

int main(int argc, char **argv) {
  static const struct fuse_operations operations = {
      .getattr = get, .open = open_file, .read = read_file};
  if (argc < 3) {
    fprintf(stderr, "usage: original DEVICE MOUNTPOINT [FUSE-OPTION...]\n");
    return 2;
  }
  int fd = open(argv[1], O_RDONLY | O_CLOEXEC);
  if (fd < 0 || ioctl(fd, BLKGETSIZE64, &size) < 0) {
    perror(argv[1]);
    return 1;
  }
  map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
  if (map == MAP_FAILED) {
    perror("mmap");
    return 1;
  }
  argv[1] = argv[0];
  return fuse_main(argc - 1, argv + 1, &operations, NULL);
}
