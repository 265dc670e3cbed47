/* forgetful - loaded before libc (LD_PRELOAD) it answers every sync at once and syncs nothing: what the power-cut test
   must notice. */
int fsync(int file);
int fdatasync(int file);
int syncfs(int file);
int msync(void *at, unsigned long size, int flags);

int fsync(int file)
{
    (void)file;
    return 0;
}

int fdatasync(int file)
{
    (void)file;
    return 0;
}

int syncfs(int file)
{
    (void)file;
    return 0;
}

int msync(void *at, unsigned long size, int flags)
{
    (void)at, (void)size, (void)flags;
    return 0;
}
